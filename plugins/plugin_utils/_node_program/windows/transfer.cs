// Copyright: Contributors to the fleet.ssm project
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Take files from the controller, and give it files.

using System;
using System.IO;
using System.Reflection;
using System.Security.Cryptography;

namespace FleetSsm
{
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
