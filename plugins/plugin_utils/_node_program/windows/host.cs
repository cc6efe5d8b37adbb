// Copyright: Contributors to the fleet.ssm project
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Serve requests: the loop that everything happens in, and what all requests have in common.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;

namespace FleetSsm
{
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
}
