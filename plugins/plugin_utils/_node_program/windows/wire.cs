// Copyright: Contributors to the fleet.ssm project
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Read and write frames, recipes and JSON.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.IO.Compression;
using System.Text;

namespace FleetSsm
{
    class ProtocolException : Exception
    {
        public ProtocolException(string message) : base(message) { }
    }

    // Checksums, numbers, compression and recipes; _node_program/wire.py has the same in Python.
    static class Wire
    {
        public const int Exec = 1, Data = 2, Put = 3, Get = 4, Cancel = 5, Credit = 6;
        public const int Hello = 32, Stdout = 33, Stderr = 34, Exit = 35, Result = 36, Done = 37, Fail = 38;
        public const int Compressed = 1, Last = 2;
        const int LargestFrame = 16 * 1024 * 1024;

        static readonly uint[] table = Table();

        static uint[] Table()
        {
            uint[] all = new uint[256];
            for (uint n = 0; n < 256; n++)
            {
                uint value = n;
                for (int bit = 0; bit < 8; bit++) value = (value & 1) != 0 ? 0xEDB88320u ^ (value >> 1) : value >> 1;
                all[n] = value;
            }
            return all;
        }

        public static uint Crc(byte[] data, int start, int count)
        {
            uint value = 0xFFFFFFFFu;
            for (int at = start; at < start + count; at++) value = table[(value ^ data[at]) & 255] ^ (value >> 8);
            return ~value;
        }

        public static void Write(Stream target, uint number)
        {
            for (int shift = 24; shift >= 0; shift -= 8) target.WriteByte((byte)(number >> shift));
        }

        public static uint Read(byte[] data, int at)
        {
            return (uint)data[at] << 24 | (uint)data[at + 1] << 16 | (uint)data[at + 2] << 8 | data[at + 3];
        }

        public static int ReadNumber(byte[] data, ref int at)
        {
            int value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte part = data[at++];
                value |= (part & 127) << shift;
                if (part < 128) return value;
            }
        }

        public static byte[] Slice(byte[] data, int start, int count)
        {
            byte[] part = new byte[count];
            Buffer.BlockCopy(data, start, part, 0, count);
            return part;
        }

        public static byte[] Inflate(byte[] data)
        {
            using (var plain = new MemoryStream())
            using (var stream = new DeflateStream(new MemoryStream(data, 2, data.Length - 2), CompressionMode.Decompress))
            {
                stream.CopyTo(plain);
                return plain.ToArray();
            }
        }

        public static byte[] Deflate(byte[] data)
        {
            uint low = 1, high = 0;
            foreach (byte part in data)
            {
                low = (low + part) % 65521;
                high = (high + low) % 65521;
            }
            using (var packed = new MemoryStream())
            {
                packed.WriteByte(0x78);
                packed.WriteByte(0x9C);
                using (var stream = new DeflateStream(packed, CompressionMode.Compress, true)) stream.Write(data, 0, data.Length);
                Write(packed, high << 16 | low);
                return packed.ToArray();
            }
        }

        // A frame to the controller, as the text of a line there; ',' is its end and '-' its beginning.
        public static string Armour(int kind, int request, byte[] body)
        {
            int flags = 0;
            if (body.Length > 64)
            {
                byte[] packed = Deflate(body);
                if (packed.Length < body.Length)
                {
                    body = packed;
                    flags = Compressed;
                }
            }
            using (var frame = new MemoryStream())
            {
                frame.WriteByte((byte)kind);
                frame.WriteByte((byte)flags);
                Write(frame, (uint)request);
                frame.Write(body, 0, body.Length);
                Write(frame, Crc(frame.GetBuffer(), 0, (int)frame.Length));
                return "-" + Convert.ToBase64String(frame.GetBuffer(), 0, (int)frame.Length) + ",";
            }
        }

        // Takes the frames out of what has come, and leaves the beginning of the next one.
        public static IEnumerable<byte[]> Frames(MemoryStream stream)
        {
            byte[] data = stream.ToArray();
            int at = 0;
            while (data.Length - at >= 8)
            {
                int length = (int)Read(data, at);
                if (length < 6 || length > LargestFrame) throw new ProtocolException("a frame of " + length + " bytes");
                if (data.Length - at < length + 8) break;
                if (Crc(data, at + 4, length) != Read(data, at + 4 + length)) throw new ProtocolException("a frame arrived damaged");
                yield return Slice(data, at + 4, length);
                at += length + 8;
            }
            stream.SetLength(0);
            stream.Write(data, at, data.Length - at);
        }

        public static byte[] Expand(byte[] recipe, int at, Dictionary<int, byte[]> pieces)
        {
            var result = new MemoryStream();
            var target = result;
            while (at < recipe.Length)
            {
                int step = recipe[at++];
                int number = ReadNumber(recipe, ref at);
                byte[] piece = null;
                if (step == 0)
                {
                    piece = Slice(recipe, at, number);
                    at += number;
                }
                else if (step == 1) piece = pieces[number];
                else if (step == 2)
                {
                    int length = ReadNumber(recipe, ref at);
                    piece = pieces[number] = Slice(recipe, at, length);
                    at += length;
                }
                else if (step == 3) target = new MemoryStream();
                else if (step == 4)
                {
                    string text = Convert.ToBase64String(target.GetBuffer(), 0, (int)target.Length);
                    piece = pieces[number] = Encoding.ASCII.GetBytes(text);
                    target = result;
                }
                else if (step == 5) pieces.Remove(number);
                else throw new ProtocolException("unknown step " + step + " in a recipe");
                if (piece != null) target.Write(piece, 0, piece.Length);
            }
            return result.ToArray();
        }
    }

    // The few JSON texts that go to and fro: flat objects of texts and numbers, in ASCII.
    static class Json
    {
        public static string Member(string text, string name)
        {
            int at = text.IndexOf("\"" + name + "\": \"", StringComparison.Ordinal);
            if (at < 0) return null;
            var value = new StringBuilder();
            for (at += name.Length + 5; text[at] != '"'; at++)
            {
                if (text[at] != '\\')
                {
                    value.Append(text[at]);
                    continue;
                }
                char mark = text[++at];
                int plain = "nrtbf".IndexOf(mark);
                if (mark == 'u')
                {
                    value.Append((char)int.Parse(text.Substring(at + 1, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                    at += 4;
                }
                else value.Append(plain < 0 ? mark : "\n\r\t\b\f"[plain]);
            }
            return value.ToString();
        }

        public static byte[] Object(params string[] members)
        {
            var text = new StringBuilder();
            for (int at = 0; at < members.Length; at += 2)
                text.Append(at == 0 ? "{" : ", ").Append(Quote(members[at])).Append(": ").Append(Quote(members[at + 1]));
            return Encoding.ASCII.GetBytes(text.Append('}').ToString());
        }

        static string Quote(string text)
        {
            if (text == null) return "null";
            var quoted = new StringBuilder("\"");
            foreach (char one in text)
            {
                if (one == '"' || one == '\\' || one < ' ' || one > '~') quoted.AppendFormat("\\u{0:x4}", (int)one);
                else quoted.Append(one);
            }
            return quoted.Append('"').ToString();
        }
    }
}
