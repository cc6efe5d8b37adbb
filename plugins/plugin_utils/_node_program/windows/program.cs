// Copyright: Contributors to the fleet.ssm project
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Run commands and move files on a Windows node: the program that a session starts there.
//
// start.ps1 compiles it in Windows PowerShell 5.1, so all of it is C# 5 and needs mscorlib and System alone. One thread reads the
// console, two read the output of each command, one writes its input and one waits for it; all that they do is to hand what they have
// to the loop of Host, which has everything else to itself. The other side is _session/windows_console.py and _session/frames.py.

using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

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
}
