// Copyright: Contributors to the fleet.ssm project
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Run commands and move files on a Windows node: the program that a session starts there.
//
// windows.ps1 compiles it in Windows PowerShell 5.1, so it is C# 5 and needs mscorlib and System alone. One thread reads the console,
// two read the output of each command and one writes its input; all that they do is to hand what they have to the loop of Host, which
// has everything else to itself. The other side is _session/console.py (lines) and _session/frames.py (frames).

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.IO.Compression;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Threading;

namespace FleetSsm
{
    public static class Program
    {
        public static int Main()
        {
            ConsoleMode.Prepare();
            Files.AllowLongPaths();
            return new Host().Run();
        }
    }

    // What Windows has for a console that .NET Framework does not: input as it is typed, without echo, and word of its end.
    static class ConsoleMode
    {
        delegate bool Handler(int reason);

        [DllImport("kernel32.dll")]
        static extern IntPtr GetStdHandle(int which);
        [DllImport("kernel32.dll")]
        static extern bool GetConsoleMode(IntPtr handle, out int mode);
        [DllImport("kernel32.dll")]
        static extern bool SetConsoleMode(IntPtr handle, int mode);
        [DllImport("kernel32.dll")]
        static extern bool SetConsoleCtrlHandler(Handler handler, bool add);

        const int StandardInput = -10;
        const int ProcessedLineEcho = 1 | 2 | 4;
        static Handler handler;

        // Called when the console is closed, from a thread of its own.
        public static Action Closing = delegate { };

        public static void Prepare()
        {
            // Process writes the preamble of this encoding to the input of what it starts; that of UTF-8 with a mark would be one.
            try { Console.InputEncoding = new UTF8Encoding(false); } catch (Exception) { }
            try
            {
                int mode;
                IntPtr input = GetStdHandle(StandardInput);
                // Where this fails lines are read as they are: they are short enough for it, and their echo means nothing to anybody.
                if (GetConsoleMode(input, out mode)) SetConsoleMode(input, mode & ~ProcessedLineEcho);
                handler = delegate(int reason)
                {
                    // Control-C and Control-Break are for nobody here.
                    if (reason <= 1) return true;
                    try { Closing(); } catch (Exception) { }
                    return false;
                };
                SetConsoleCtrlHandler(handler, true);
            }
            catch (Exception) { }
        }
    }

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

    // The loop that everything happens in.
    class Host
    {
        const int SendAhead = 512 * 1024, LinkAhead = 64 * 1024;

        public readonly Link Link = new Link();
        public readonly Dictionary<int, Request> Requests = new Dictionary<int, Request>();
        public readonly string Home = FindHome();
        readonly BlockingCollection<Action> events = new BlockingCollection<Action>();
        readonly Dictionary<int, byte[]> pieces = new Dictionary<int, byte[]>();
        readonly MemoryStream stream = new MemoryStream();
        readonly Stopwatch clock = Stopwatch.StartNew();
        bool over;

        public long Now { get { return clock.ElapsedMilliseconds; } }

        public bool MaySend(long unconfirmed)
        {
            return unconfirmed < SendAhead && Link.Backlog < LinkAhead;
        }

        static string FindHome()
        {
            string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            return Directory.Exists(home) ? home : Directory.GetCurrentDirectory();
        }

        public void Post(Action what)
        {
            events.Add(what);
        }

        public int Run()
        {
            ConsoleMode.Closing = EndAll;
            Directory.SetCurrentDirectory(Home);
            Send(Wire.Hello, 0, Facts());
            var reader = new Thread(ReadConsole);
            reader.IsBackground = true;
            reader.Start();
            try
            {
                int wait = Step(true);
                while (!over)
                {
                    Action what;
                    if (events.TryTake(out what, wait)) what();
                    wait = Step(events.Count == 0);
                }
            }
            catch (ProtocolException error)
            {
                Fail(0, "PROTOCOL", error.Message, null);
                Link.Pump(Now, true);
                return 3;
            }
            finally
            {
                EndAll();
            }
            return 0;
        }

        int Step(bool idle)
        {
            int wait = -1;
            foreach (Request request in new List<Request>(Requests.Values)) wait = Sooner(wait, request.Step());
            return Sooner(wait, Link.Pump(Now, idle));
        }

        static int Sooner(int one, int other)
        {
            return one < 0 ? other : other < 0 ? one : Math.Min(one, other);
        }

        void EndAll()
        {
            foreach (Request request in new List<Request>(Requests.Values)) request.Cancel();
        }

        void ReadConsole()
        {
            Stream input = Console.OpenStandardInput();
            byte[] buffer = new byte[8192];
            // A console may say that there is nothing although there is more to come; one that is gone keeps saying it.
            for (int silent = 0; silent < 10; silent++)
            {
                int count;
                try { count = input.Read(buffer, 0, buffer.Length); } catch (IOException) { count = 0; }
                if (count == 0)
                {
                    Thread.Sleep(50);
                    continue;
                }
                silent = -1;
                byte[] typed = Wire.Slice(buffer, 0, count);
                Post(delegate { Take(typed); });
            }
            Post(delegate { over = true; });
        }

        void Take(byte[] typed)
        {
            byte[] content = Link.Take(typed, typed.Length, Now);
            stream.Position = stream.Length;
            stream.Write(content, 0, content.Length);
            foreach (byte[] frame in Wire.Frames(stream))
                Handle(frame[0], frame[1], (int)Wire.Read(frame, 2), Wire.Slice(frame, 6, frame.Length - 6));
        }

        void Handle(int kind, int flags, int number, byte[] body)
        {
            if ((flags & Wire.Compressed) != 0) body = Wire.Inflate(body);
            bool last = (flags & Wire.Last) != 0;
            Request request;
            Requests.TryGetValue(number, out request);
            if (kind == Wire.Exec || kind == Wire.Put || kind == Wire.Get)
            {
                int at = 0;
                int length = Wire.ReadNumber(body, ref at);
                string order = Encoding.UTF8.GetString(body, at, length);
                byte[] content = Wire.Expand(body, at + length, pieces);
                if (request == null) Open(kind, number, order, content, body.Length - at - length, last);
            }
            else if (kind == Wire.Data)
            {
                byte[] content = Wire.Expand(body, 0, pieces);
                if (request != null) request.Data(content, body.Length, last);
            }
            else if (request == null) return;
            else if (kind == Wire.Credit) request.Unconfirmed -= long.Parse(Encoding.ASCII.GetString(body), CultureInfo.InvariantCulture);
            else if (kind == Wire.Cancel) request.Cancel();
        }

        void Open(int kind, int number, string order, byte[] content, int cost, bool last)
        {
            Request request = kind == Wire.Exec ? new Execution() : kind == Wire.Put ? (Request)new Reception() : new Delivery();
            request.Host = this;
            request.Number = number;
            Requests[number] = request;
            request.Try(delegate
            {
                request.Begin(order);
                if (cost > 0 || last) request.Data(content, cost, last);
            });
        }

        public void Send(int kind, int number, byte[] body)
        {
            Link.Write(Wire.Armour(kind, number, body));
        }

        public void Fail(int number, string code, string message, string path)
        {
            Send(Wire.Fail, number, Json.Object("code", code, "message", message, "path", path));
        }

        byte[] Facts()
        {
            return Json.Object("runtime", Environment.Version.ToString(), "user", Environment.UserName);
        }
    }

    // One command or transfer.
    abstract class Request
    {
        public Host Host;
        public int Number;
        public long Unconfirmed;
        protected string Path;

        public abstract void Begin(string order);
        public abstract void Data(byte[] content, int cost, bool last);
        public abstract void Cancel();

        // Does what is due; returns the milliseconds until more is, -1 for nothing.
        public virtual int Step()
        {
            return -1;
        }

        protected void Send(int kind, byte[] body)
        {
            Unconfirmed += body.Length;
            Host.Send(kind, Number, body);
        }

        protected void Credit(int cost)
        {
            if (cost > 0) Host.Send(Wire.Credit, Number, Encoding.ASCII.GetBytes(cost.ToString(CultureInfo.InvariantCulture)));
        }

        protected void SendDone(long size, string digest)
        {
            Send(Wire.Done, Encoding.ASCII.GetBytes("{\"size\": " + size + ", \"sha256\": \"" + digest + "\"}"));
            End();
        }

        protected void End()
        {
            Host.Requests.Remove(Number);
        }

        public void Try(Action work)
        {
            try { work(); }
            catch (ProtocolException) { throw; }
            catch (Exception error)
            {
                Cancel();
                bool missing = error is FileNotFoundException || error is DirectoryNotFoundException;
                Host.Fail(Number, missing ? "ENOENT" : "EIO", error.Message, Path);
            }
        }
    }

    class Execution : Request
    {
        const int Piece = 16 * 1024, ShortResult = 32 * 1024, FlushAfter = 100, Linger = 500, LingerAtMost = 5000;

        readonly BlockingCollection<KeyValuePair<byte[], int>> input = new BlockingCollection<KeyValuePair<byte[], int>>();
        readonly MemoryStream[] collected = { new MemoryStream(), new MemoryStream() };
        readonly AutoResetEvent[] taken = { new AutoResetEvent(true), new AutoResetEvent(true) };
        readonly bool[] held = new bool[2];
        Process process;
        int open = 2;
        bool exited, streaming, ended;
        long oldest = -1, lastOutput, exitedAt;

        public override void Begin(string order)
        {
            bool quoted = order[0] == '"';
            int space = order.IndexOf(quoted ? '"' : ' ', 1);
            if (space < 0) space = order.Length;
            var start = new ProcessStartInfo(order.Substring(quoted ? 1 : 0, space - (quoted ? 1 : 0)));
            start.Arguments = order.Substring(Math.Min(order.Length, space + 1)).Trim();
            start.UseShellExecute = false;
            // A console of its own: it must neither read from ours nor write to it.
            start.CreateNoWindow = true;
            start.WorkingDirectory = Host.Home;
            start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
            process = Process.Start(start);
            Work(delegate { ReadOutput(0, process.StandardOutput.BaseStream); });
            Work(delegate { ReadOutput(1, process.StandardError.BaseStream); });
            Work(delegate { WriteInput(process.StandardInput.BaseStream); });
            Work(delegate
            {
                process.WaitForExit();
                Host.Post(delegate
                {
                    exited = true;
                    exitedAt = lastOutput = Host.Now;
                });
            });
        }

        static void Work(ThreadStart what)
        {
            var thread = new Thread(what);
            thread.IsBackground = true;
            thread.Start();
        }

        // Each piece waits until the one before it has gone, so that a command is not faster than the console.
        void ReadOutput(int which, Stream stream)
        {
            byte[] buffer = new byte[Piece];
            int count;
            do
            {
                taken[which].WaitOne();
                try { count = stream.Read(buffer, 0, buffer.Length); } catch (Exception) { count = 0; }
                byte[] data = Wire.Slice(buffer, 0, count);
                Host.Post(delegate { TakeOutput(which, data); });
            }
            while (count > 0);
        }

        void TakeOutput(int which, byte[] data)
        {
            if (data.Length == 0) open--;
            collected[which].Write(data, 0, data.Length);
            held[which] = data.Length > 0;
            lastOutput = Host.Now;
            if (oldest < 0) oldest = Host.Now;
        }

        void WriteInput(Stream stream)
        {
            bool wanted = true;
            foreach (KeyValuePair<byte[], int> part in input.GetConsumingEnumerable())
            {
                int cost = part.Value;
                try
                {
                    if (wanted) stream.Write(part.Key, 0, part.Key.Length);
                    if (wanted) stream.Flush();
                }
                // It has closed its standard input; what is left is of no use to anybody.
                catch (Exception) { wanted = false; }
                Host.Post(delegate { Credit(cost); });
            }
            try { stream.Close(); } catch (Exception) { }
        }

        public override void Data(byte[] content, int cost, bool last)
        {
            if (input.IsAddingCompleted) return;
            input.Add(new KeyValuePair<byte[], int>(content, last ? 0 : cost));
            if (last) input.CompleteAdding();
        }

        public override int Step()
        {
            if (ended || process == null) return -1;
            bool room = Host.MaySend(Unconfirmed);
            for (int which = 0; which < 2; which++)
            {
                if (!held[which] || !room || collected[which].Length >= 4 * Piece) continue;
                held[which] = false;
                taken[which].Set();
            }
            if (!exited) return Flush(room);
            if (!room)
            {
                // What a slow controller leaves in the pipes is not silence.
                lastOutput = exitedAt = Host.Now;
                return -1;
            }
            // A process left in the background may hold the pipes open for ever.
            long quiet = Math.Min(lastOutput + Linger, exitedAt + LingerAtMost);
            if (open == 0 || Host.Now >= quiet) Finish();
            else if (collected[0].Length + collected[1].Length >= Piece) SendCollected(false);
            return ended ? -1 : (int)Math.Max(1, quiet - Host.Now);
        }

        int Flush(bool room)
        {
            if (oldest < 0 || !room) return -1;
            long due = oldest + FlushAfter;
            if (Host.Now < due && collected[0].Length + collected[1].Length < Piece) return (int)Math.Max(1, due - Host.Now);
            SendCollected(false);
            return -1;
        }

        void SendCollected(bool all)
        {
            for (int which = 0; which < 2; which++)
            {
                byte[] data = collected[which].ToArray();
                int at = 0;
                for (; at < data.Length && (all || Host.MaySend(Unconfirmed)); at += Piece)
                    Send(Wire.Stdout + which, Wire.Slice(data, at, Math.Min(Piece, data.Length - at)));
                collected[which].SetLength(0);
                if (at < data.Length) collected[which].Write(data, at, data.Length - at);
                streaming = streaming || data.Length > 0;
            }
            oldest = collected[0].Length + collected[1].Length == 0 ? -1 : Host.Now;
        }

        void Finish()
        {
            uint code = (uint)process.ExitCode;
            var body = new MemoryStream();
            Wire.Write(body, code);
            if (streaming || collected[0].Length + collected[1].Length > ShortResult)
            {
                SendCollected(true);
                Send(Wire.Exit, body.ToArray());
            }
            else
            {
                Wire.Write(body, (uint)collected[0].Length);
                collected[0].WriteTo(body);
                collected[1].WriteTo(body);
                Send(Wire.Result, body.ToArray());
            }
            LetGo();
        }

        void LetGo()
        {
            ended = true;
            if (!input.IsAddingCompleted) input.CompleteAdding();
            End();
        }

        public override void Cancel()
        {
            if (process != null && !exited) Tree.Kill(process);
            LetGo();
        }
    }

    static class Tree
    {
        public static void Kill(Process process)
        {
            try
            {
                var start = new ProcessStartInfo("taskkill", "/T /F /PID " + process.Id);
                start.UseShellExecute = false;
                start.CreateNoWindow = true;
                start.RedirectStandardOutput = start.RedirectStandardError = true;
                Process.Start(start).WaitForExit(5000);
                if (!process.HasExited) process.Kill();
            }
            catch (Exception) { }
        }
    }

    static class Files
    {
        const int Long = 240;

        // powershell.exe has paths of more than 259 characters refused unless the program says that it knows about them.
        public static void AllowLongPaths()
        {
            try
            {
                // .NET Framework has these from 4.6.2 on, and remembers what it found at the first look.
                MethodInfo set = Type.GetType("System.AppContext").GetMethod("SetSwitch");
                foreach (string name in new[] { "UseLegacyPathHandling", "BlockLongPaths" })
                {
                    set.Invoke(null, new object[] { "Switch.System.IO." + name, false });
                    string remembered = "_" + char.ToLowerInvariant(name[0]) + name.Substring(1);
                    Type switches = Type.GetType("System.AppContextSwitches");
                    switches.GetField(remembered, BindingFlags.Static | BindingFlags.NonPublic).SetValue(null, 0);
                }
            }
            catch (Exception) { }
        }

        public static string Expand(string path, string home)
        {
            if (path == "~" || path.StartsWith("~\\", StringComparison.Ordinal) || path.StartsWith("~/", StringComparison.Ordinal))
                path = home + System.IO.Path.DirectorySeparatorChar + path.Substring(Math.Min(2, path.Length));
            bool drive = path.Length > Long && path[1] == ':';
            return drive ? "\\\\?\\" + path.Replace('/', '\\') : path;
        }

        // Where Windows is to use nothing but what FIPS allows, the usual one is refused.
        public static HashAlgorithm Sha256()
        {
            try { return SHA256.Create("System.Security.Cryptography.SHA256CryptoServiceProvider") ?? SHA256.Create(); }
            catch (Exception) { return SHA256.Create(); }
        }

        public static string Hex(byte[] digest)
        {
            return BitConverter.ToString(digest).Replace("-", "").ToLowerInvariant();
        }

        public static readonly byte[] Nothing = new byte[0];
    }

    // A file that comes from the controller: written beside its target, checked, moved into place.
    class Reception : Request
    {
        readonly HashAlgorithm digest = Files.Sha256();
        string target, temporary, wanted;
        FileStream file;
        long size;

        public override void Begin(string order)
        {
            Path = Json.Member(order, "path");
            wanted = Json.Member(order, "sha256");
            target = Files.Expand(Path, Host.Home);
            if (Directory.Exists(target)) throw new IOException("Is a directory");
            string folder = System.IO.Path.GetDirectoryName(target);
            temporary = System.IO.Path.Combine(folder, ".ansible-" + Guid.NewGuid().ToString("N"));
            file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        }

        public override void Data(byte[] content, int cost, bool last)
        {
            Try(delegate
            {
                digest.TransformBlock(content, 0, content.Length, null, 0);
                size += content.Length;
                file.Write(content, 0, content.Length);
                if (last) Finish();
                else Credit(cost);
            });
        }

        void Finish()
        {
            digest.TransformFinalBlock(Files.Nothing, 0, 0);
            string found = Files.Hex(digest.Hash);
            if (wanted != null && wanted != found) throw new IOException("SHA-256 of the received file is " + found + ", not " + wanted);
            file.Flush(true);
            file.Close();
            // Replace keeps who may do what with the file that is there.
            if (File.Exists(target)) File.Replace(temporary, target, null);
            else File.Move(temporary, target);
            temporary = null;
            SendDone(size, found);
        }

        public override void Cancel()
        {
            try
            {
                if (file != null) file.Close();
                if (temporary != null) File.Delete(temporary);
            }
            catch (Exception) { }
            End();
        }
    }

    // A file that goes to the controller.
    class Delivery : Request
    {
        const int Piece = 32 * 1024;

        readonly HashAlgorithm digest = Files.Sha256();
        readonly byte[] buffer = new byte[Piece];
        FileStream file;
        long size;

        public override void Begin(string order)
        {
            Path = Json.Member(order, "path");
            string source = Files.Expand(Path, Host.Home);
            if (Directory.Exists(source)) throw new IOException("Not a regular file");
            file = new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }

        public override void Data(byte[] content, int cost, bool last)
        {
        }

        public override int Step()
        {
            Try(delegate
            {
                while (file != null && Host.MaySend(Unconfirmed))
                {
                    int count = file.Read(buffer, 0, Piece);
                    if (count == 0)
                    {
                        digest.TransformFinalBlock(Files.Nothing, 0, 0);
                        Close();
                        SendDone(size, Files.Hex(digest.Hash));
                        return;
                    }
                    digest.TransformBlock(buffer, 0, count, null, 0);
                    size += count;
                    Send(Wire.Data, Wire.Slice(buffer, 0, count));
                }
            });
            return -1;
        }

        void Close()
        {
            if (file != null) file.Close();
            file = null;
        }

        public override void Cancel()
        {
            Close();
            End();
        }
    }
}
