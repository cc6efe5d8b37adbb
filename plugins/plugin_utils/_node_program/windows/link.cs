// Copyright: Contributors to the fleet.ssm project
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Carry text and bytes over a console in lines that are numbered, checked, acknowledged and said again.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace FleetSsm
{
    // Numbered lines both ways over a console that may lose, repeat, wrap or decorate them; _session/console.py tells their form.
    class Link
    {
        const int Window = 256, Payload = 160, LongestLine = 512, AcknowledgeAfter = 32, Again = 8;
        const int Patience = 2000, MostPatience = 16000;

        readonly Stream output = Console.OpenStandardOutput();
        readonly Queue<string> waiting = new Queue<string>();
        readonly LinkedList<KeyValuePair<int, string>> sent = new LinkedList<KeyValuePair<int, string>>();
        readonly Dictionary<int, byte[]> ahead = new Dictionary<int, byte[]>();
        readonly StringBuilder line = new StringBuilder();
        int next, expected, unacknowledged;
        bool owes;
        long lastMove;
        int patience = Patience;

        // Characters that the controller does not have yet.
        public int Backlog { get { return (waiting.Count + sent.Count) * Payload; } }

        public void Write(string text)
        {
            for (int at = 0; at < text.Length; at += Payload) waiting.Enqueue(text.Substring(at, Math.Min(Payload, text.Length - at)));
        }

        // Takes what was typed; returns the bytes that are next in turn.
        public byte[] Take(byte[] typed, int count, long now)
        {
            var stream = new MemoryStream();
            for (int at = 0; at < count; at++)
            {
                char one = (char)typed[at];
                if (one != '\r' && one != '\n')
                {
                    if (line.Length < LongestLine) line.Append(one);
                    continue;
                }
                Read(line.ToString(), stream, now);
                line.Length = 0;
            }
            return stream.ToArray();
        }

        void Read(string text, Stream stream, long now)
        {
            int end = text.LastIndexOf('.');
            if (end < 0 || text.Substring(end + 1) != Checksum(text.Substring(0, end))) return;
            string[] parts = text.Split('.');
            int number, count;
            if (parts.Length != 4 || !int.TryParse(parts[0], out number) || !int.TryParse(parts[1], out count)) return;
            Acknowledge(count, now);
            if (parts[2].Length == 0) return;
            owes = true;
            if (number < expected || number >= expected + 2 * Window) return;
            ahead[number] = Convert.FromBase64String(parts[2]);
            byte[] content;
            while (ahead.TryGetValue(expected, out content))
            {
                stream.Write(content, 0, content.Length);
                ahead.Remove(expected++);
                unacknowledged++;
            }
        }

        void Acknowledge(int count, long now)
        {
            while (sent.Count > 0 && sent.First.Value.Key < count)
            {
                sent.RemoveFirst();
                lastMove = now;
                patience = Patience;
            }
        }

        static string Checksum(string text)
        {
            byte[] data = Encoding.ASCII.GetBytes(text);
            return Wire.Crc(data, 0, data.Length).ToString("x8", CultureInfo.InvariantCulture);
        }

        // Writes what may be written; returns the milliseconds until more is due.
        public int Pump(long now, bool idle)
        {
            var lines = new StringBuilder();
            if (sent.Count > 0 && now - lastMove >= patience)
            {
                int again = Again;
                foreach (KeyValuePair<int, string> one in sent)
                    if (again-- > 0) Print(lines, one.Key, one.Value);
                lastMove = now;
                patience = Math.Min(2 * patience, MostPatience);
            }
            while (waiting.Count > 0 && sent.Count < Window)
            {
                if (sent.Count == 0) lastMove = now;
                var one = new KeyValuePair<int, string>(next++, waiting.Dequeue());
                sent.AddLast(one);
                Print(lines, one.Key, one.Value);
            }
            if (owes && (idle || unacknowledged >= AcknowledgeAfter)) Print(lines, next, "");
            byte[] data = Encoding.ASCII.GetBytes(lines.ToString());
            if (data.Length > 0)
            {
                output.Write(data, 0, data.Length);
                output.Flush();
            }
            return sent.Count > 0 ? (int)Math.Max(1, lastMove + patience - now) : -1;
        }

        void Print(StringBuilder lines, int number, string payload)
        {
            string text = number + "." + expected + "." + payload;
            lines.Append('<').Append(text).Append('.').Append(Checksum(text)).Append(">\r\n");
            owes = false;
            unacknowledged = 0;
        }
    }
}
