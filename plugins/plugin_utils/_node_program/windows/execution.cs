// Copyright: Contributors to the fleet.ssm project
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Run a command.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;

namespace FleetSsm
{
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
}
