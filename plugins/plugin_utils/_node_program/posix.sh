# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh disable=SC2016,SC2034,SC2086,SC2154,SC3040
#
# Run commands and move files on a node that has no Python: the node program in POSIX sh, one request at a time.
#
# It is sent as one line (_session/posix_bundle.py), after what is particular to a session: mark, marked_0 to marked_3, and the
# function look, which becomes the node program in Python once there is one. The other side, and what the lines mean, is
# _session/posix_lines.py and posix_conversation.py.
#
# A shell that reads a terminal may read more than its line (bash does). So nothing is sent to a process that may end before it has
# read it: the controller says nothing between a request and its answer, but to end it, and sends a stream only to its reader.
#
# Descriptors: 3 the watchman, 4 the pipe for standard error, 5 a command's input, 6 a file that is written, 7 and 8 the terminal, 9
# what goes there.

blank=$(printf '\n .')
blank=${blank%.}
perl_encode='binmode STDIN; $/ = undef; $d = <STDIN>; exit unless length $d; $_ = pack("u", $d); s/^.//gm;'
perl_encode=$perl_encode' tr#` -_#AA-Za-z0-9+/#; $p = (3 - length($d) % 3) % 3; substr($_, -1 - $p, $p) = "=" x $p; print'
perl_decode='binmode STDOUT; while (<STDIN>) { tr#A-Za-z0-9+/##cd; tr#A-Za-z0-9+/# -_#; while (/(.{1,60})/g)'
perl_decode=$perl_decode' { print unpack("u", chr(32 + int(length($1) * 3 / 4)) . $1) } }'

# say NAME TEXT: tell the controller; one write, so that lines of two writers do not mix: it is to a pipe, as a signal may end one to
# a terminal in the middle of the line (seen with ksh).
say() { printf '>%s %s %s %s\n' "$1" "$seq" "${#2}" "$2" >&9; }

has() { command -v "$1" >/dev/null; }

encode() {
    case $armour in
        base64) base64 ;;
        openssl) openssl base64 ;;
        perl) perl -e "$perl_encode" ;;
        od) od -An -v -tx1 ;;
    esac
}

decode() {
    case $armour in
        base64) base64 -d ;;
        openssl) openssl base64 -d ;;
        perl) perl -e "$perl_decode" ;;
        od) printf %b "$(cat)" ;;
    esac
}

digest() {
    case $check in
        sha256sum) sha256sum ;;
        shasum) shasum -a 256 ;;
        openssl) openssl dgst -sha256 -r ;;
        cksum) cksum ;;
        wc) wc -c ;;
    esac
}

# choose: find what there is to armour and to check with; the size of a block, and the words of a line that encode makes of it.
choose() {
    size=24576 words_a_line=12
    for armour in base64 openssl perl; do
        has $armour && [ "$(printf %s abcd | encode)" = YWJjZA== ] && [ "$(echo YWJjZA== | decode)" = abcd ] && break
        armour=
    done
    [ "$armour" ] || { ! has od || { armour=od size=8192 words_a_line=450; }; }
    for check in sha256sum shasum openssl cksum wc; do ! has $check || break; done
    setsid='' missing=''
    ! has setsid || setsid=setsid
    for tool in dd cat rm mkdir; do has $tool || missing="$missing $tool"; done
    [ "$armour" ] || missing="$missing base64|openssl|perl|od"
}

# fail CODE MESSAGE
fail() (
    words=$(printf %s "$2" | encode)
    set -- "$1" $words
    code=$1
    shift
    IFS=
    say f "$code $*"
)

# pump NAME: send what comes, as it comes, to its end or to the mark.
pump() (
    exec 4>&- 5<&- >&9
    name=$1 count=0
    while block=$(dd bs=$size count=1 2>/dev/null | encode); [ "$block" ]; do
        while [ -e "$folder/hold" ]; do sleep 1; done
        line='' words=0
        for word in $block; do
            line=$line$word words=$((words + 1))
            [ $words -lt $words_a_line ] || { say $name "$count $line"; line='' words=0 count=$((count + 1)); }
        done
        [ -z "$line" ] || { say $name "$count $line"; count=$((count + 1)); }
        set -- $block
        IFS=
        all=$*
        IFS=$blank
        case $all in *"$marked_0"* | *"$marked_1"* | *"$marked_2"* | *"$marked_3"*) break ;; esac
    done
    say $name. $count
)

first() { head -c "$1" || dd bs=1 count="$1"; }

# lines COUNT: print so many lines of a stream; numbered ones, as the agent may write one twice.
lines() {
    until=$((index + $1))
    while [ $index -lt $until ] && IFS=' ' read -r number place what data; do
        [ "$number.$place" = "$seq.$index" ] || continue
        index=$((index + 1))
        case $armour in od) printf %s "$data" ;; *) printf '%s\n' $data ;; esac
    done
}

# receive: write the stream to 6, part by part. Most come as bytes, for a program that reads them fast. Should some of them have come
# twice, which the controller sees by what the checker says, the part comes again in lines.
receive() {
    index=0
    while IFS=' ' read -r number place what count; do
        [ "$number.$place" = "$seq.$index" ] || continue
        index=$((index + 1))
        case $what in
            bytes) say r; first $count | decode >"$folder/part" ;;
            lines) complaint=$({ say r; lines $count | decode >"$folder/part"; } 2>&1) || break; index=$((index + count)) ;;
            keep) complaint=$(cat "$folder/part" 2>&1 >&6) || break ;;
            end) rm -f "$folder/part"; return 0 ;;
        esac
        [ $what = keep ] || say c "$(digest <"$folder/part")"
    done
    discard
    fail EIO "${complaint##*: }"
    return 1
}

# attend: while something runs, wait for the word to stop it. The signal is for all of this terminal's processes but those who expect
# it; the command, which has left the terminal, is hung up by the watchman.
attend() {
    while IFS=' ' read -r number what; do
        case "$number $what" in
            "$seq stop") break ;;
            "$seq hold") printf '' >"$folder/hold" ;;
            "$seq on") rm -f "$folder/hold" ;;
        esac
    done
    echo k >&3
    kill -TERM 0
}

begin_attending() {
    attend <&8 &
    attendant=$!
}

# By KILL: another signal may be lost on a shell that was just forked, which drops those that come before its traps are its own.
end_attending() {
    kill -9 $attendant
    wait $attendant
    [ ! -e "$folder/hold" ] || rm -f "$folder/hold"
}

# watchman: clean up when this program is killed, or is to stop a command: a process group, a file, a folder.
watchman() {
    trap '' HUP INT TERM
    cd /
    group='' file='' folder=''
    while read -r what name; do
        case $what in
            g) group=$name ;;
            f) file=$name ;;
            d) folder=$name ;;
            k) hang_up ;;
        esac
    done
    hang_up
    [ -z "$file" ] || rm -f "$file"
    [ -z "$folder" ] || rm -rf "$folder"
}

hang_up() {
    [ -z "$group" ] || { kill -HUP "-$group"; kill -CONT "-$group"; }
    group=
}

# run_apart WORD ...: run a command with standard output in 1, standard error in 4. Its own session keeps it from this terminal.
run_apart() {
    (
        exec <&5 2>&4 4>&- 5<&- 7>&- 8<&- 9>&-
        case $setsid in
            '') exec "$@" 3>&- ;;
            *) exec $setsid /bin/sh -c 'echo "g $$" >&3; exec "$@" 3>&-' sh "$@" ;;
        esac
    )
    code=$?
    # Of a command that was killed some shells say 256 or 384 and the signal's number.
    [ $code -lt 256 ] || code=$((code % 128 + 128))
    echo g >&3
    say x $code
    # Twice, as a block may end within the first. What the command has left running may hold the pipes open for ever.
    printf %s%s "$mark" "$mark"
    printf %s%s "$mark" "$mark" >&4
}

run_streamed() {
    begin_attending
    { run_apart "$@" | pump o; } 4>&1 | pump e
    end_attending
    say z
}

# plain: put the bytes in $text for which escapes stand.
plain() {
    case $text in
        *\\*) text=$(printf '%b.' "$text"); text=${text%.} ;;
    esac
}

do_run() {
    plain
    input=/dev/null
    [ -z "$spooled_i" ] || input=$folder/i
    {
        [ -z "$spooled_i" ] || rm -f "$folder/i"
        case $spooled_c in
            '') run_streamed /bin/sh -c "$text" ;;
            *) run_streamed /bin/sh "$folder/c" ;;
        esac
    } 5<"$input"
    [ -z "$spooled_c" ] || rm -f "$folder/c"
    spooled_i='' spooled_c=''
}

discard() {
    [ -z "$temporary" ] || rm -f "$file"
    temporary='' spooled_i='' spooled_c=''
    echo f >&3
}

# has_room: whether there is a folder for what comes in parts.
has_room() { [ -d "$folder" ] || { fail ENOSPC 'No folder for temporary files can be written'; return 1; }; }

do_spool() {
    has_room || return
    temporary=1 file=$folder/$text
    printf '' >"$file"
    receive 6>>"$file" || return
    case $text in i) spooled_i=1 ;; c) spooled_c=1 ;; esac
    say d "$(digest <"$file")"
}

do_put() {
    has_room || return
    plain
    target=$text
    if [ -h "$target" ] && real=$(readlink -f -- "$target" && echo .); then target=${real%?.}; fi
    [ ! -d "$target" ] || { fail EISDIR 'Is a directory'; return; }
    temporary='' mode='' file=$target
    # A device or a pipe is written to, not replaced; so is a link that cannot be followed.
    if [ ! -h "$target" ] && { [ ! -e "$target" ] || [ -f "$target" ]; }; then
        case $target in */*) ;; *) target=./$target ;; esac
        [ -d "${target%/*}/" ] || { fail ENOENT 'No such file or directory'; return; }
        file=${target%/*}/.ansible-$$-$seq
        [ ! -f "$target" ] || mode=$(stat -c %a -- "$target" || stat -f %Lp -- "$target")
        temporary=1
        case $file in *"${blank%?}"*) ;; *) echo "f $file" >&3 ;; esac
        complaint=$( (umask 077 && set -C && printf '' >"$file") 2>&1) || { fail EACCES "${complaint##*: }"; return; }
    elif [ -f "$target" ]; then
        printf '' >"$target"
    fi
    receive 6>>"$file" || return
    case $temporary in '') say d - ;; *) say d "$(digest <"$file")" ;; esac
}

do_name() {
    if [ "$temporary" ]; then
        case $mode in
            '') chmod "$(umask -S)" "$file" && chmod a-x "$file" ;;
            *) chmod "$mode" "$file" ;;
        esac
        complaint=$(mv -f -- "$file" "$target" 2>&1) || { discard; fail EACCES "${complaint##*: }"; return; }
        temporary=''
    fi
    echo f >&3
    say z
}

do_drop() {
    discard
    say z
}

do_get() {
    plain
    [ -e "$text" ] || { fail ENOENT 'No such file or directory'; return; }
    [ -f "$text" ] || { fail EINVAL 'Not a regular file'; return; }
    complaint=$( (exec <"$text") 2>&1) || { fail EACCES "${complaint##*: }"; return; }
    # A file that grows meanwhile is sent as long as it was.
    length=$(($(wc -c <"$text")))
    say n $length
    begin_attending
    first $length <"$text" | pump b
    digest=$(first $length <"$text" | digest)
    end_attending
    say z "$digest"
}

do_nothing() { say z; }

main() {
    trap : TERM
    seq=0 text='' temporary='' spooled_i='' spooled_c=''
    choose
    for place in "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm "$HOME" /nowhere; do
        folder=$place/.ansible-ssm-$$
        ! (umask 077 && mkdir "$folder") || break
    done
    echo "d $folder" >&3
    say h "$armour $check $(id -u) $(id -un)$missing"
    while IFS=' ' read -r number what rest; do
        [ "$number" = $((seq + 1)) ] || continue
        seq=$number rest=${rest#.} text=$text${rest%.}
        case $what in
            look) look ;;
            more) ;;
            *) do_$what; text= ;;
        esac
    done
}

set -f
IFS=$blank
cd "$HOME" || cd /
unset TERM OLDPWD
exec 7>&1 8<&0 9>&1 2>/dev/null
# ksh waits for the last part of a pipe only, but with this.
if (set -o pipefail); then set -o pipefail; fi
trap : TERM
run() { main 3>&1 >&9 | watchman >&-; }
# Without cat this program says that cat is missing.
if has cat; then { run; } 9>&1 | (trap '' TERM; cat); else run; fi
