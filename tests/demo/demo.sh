#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh: a bucket on a real S3 server of this machine, mounted, read and
# written.  "make demo" installs and builds what this needs first.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

export LC_ALL=C.UTF-8
build=$PWD/build
python=$build/venv/bin/python
versitygw=${PAILFS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/pailfs}/bin/versitygw
bucket=holiday
work=''
mnt=''
server=''
daemon=''

# What this shell has set for Amazon's cloud is not for the server below.
while read -r name; do
	unset "$name"
done < <(compgen -e | grep '^AWS_')

die()
{
	printf '\ndemo: %s\n' "$*" >&2
	exit 1
}

# Also after a failure in the middle, when something may be open or unsent.
clean_up()
{
	if [ -n "$mnt" ] && mountpoint -q "$mnt"; then
		timeout 20 "$build/pailctl" umount "$mnt" >/dev/null 2>&1 ||
			fusermount3 -uz "$mnt" 2>/dev/null || umount -l "$mnt"
	fi
	if [ -n "$daemon" ] && [ "$(ps -o comm= -p "$daemon")" = pailfs ]; then
		kill -KILL "$daemon" 2>/dev/null
	fi
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null
		wait "$server" 2>/dev/null
	fi
	[ -z "$work" ] || rm -rf --one-file-system "$work"
}

title()
{
	printf '\n== %s\n' "$*"
}

# Show a command and what it prints, a little indented.
run()
{
	printf '\n   $ %s\n' "$*"
	"$@" 2>&1 | sed 's/^/   /'
	return "${PIPESTATUS[0]}"
}

# The first folder that can hold the server's files: it keeps an object's
# metadata in extended attributes.
choose_folder()
{
	local d
	for d in "${TMPDIR:-/tmp}" "$build"; do
		work=$(mktemp -d "$d/pailfs-demo.XXXXXX") || continue
		if "$python" -c 'import os, sys
os.setxattr(sys.argv[1], "user.demo", b"1")' "$work" 2>/dev/null; then
			return
		fi
		rmdir "$work"
	done
	work=''
	die "neither ${TMPDIR:-/tmp} nor $build keeps extended attributes"
}

start_server()
{
	local port
	port=$("$python" -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])') || die "no free port"
	url=http://127.0.0.1:$port
	mkdir "$work/server"
	"$versitygw" --port "127.0.0.1:$port" -a demo -s demo-secret --quiet \
		posix "$work/server" >"$work/server.log" 2>&1 </dev/null &
	server=$!
	(umask 077 && echo demo:demo-secret >"$work/passwd")
}

make_files()
{
	local d=$work/files
	mkdir -p "$d"/{photos/2025/lisbon,photos/2026,videos,notes} "$work/new"
	echo '{"from": "LIS", "to": "BER", "seat": "14A"}' >"$work/new/ticket.json"
	echo 'Bring: passport, sun hat, the good camera.' >"$d/notes/packing.txt"
	echo 'Größe der Karte: 2 × A4, bitte drucken.' >"$d/notes/Straßenkarte.txt"
	ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=25:duration=10 \
		-f lavfi -i sine=frequency=440:duration=10 \
		-c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac \
		-movflags +faststart "$d/videos/beach.mp4" </dev/null &&
		ffmpeg -v error -f lavfi -i mandelbrot=size=800x600 -frames:v 4 \
			"$d/photos/2026/rock-%d.png" </dev/null &&
		ffmpeg -v error -f lavfi -i testsrc=size=640x480 -frames:v 2 \
			"$d/photos/2025/lisbon/tram %d.jpg" </dev/null
}

# The bucket as any S3 program sees it, without pailfs: "fill FOLDER" puts what
# is there into it, "check FOLDER" lists it and compares it with the folder,
# "fetch KEY FILE" gets one object.
bucket()
{
	"$python" - "$url" "$bucket" "$@" <<-'EOF'
	import mimetypes
	import pathlib
	import sys
	import time

	import boto3
	from botocore.exceptions import EndpointConnectionError

	url, bucket, what, *words = sys.argv[1:]
	s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1",
	                  aws_access_key_id="demo",
	                  aws_secret_access_key="demo-secret")


	def fill(folder):
	    for attempt in range(100):
	        try:
	            s3.create_bucket(Bucket=bucket)
	            break
	        except EndpointConnectionError:
	            time.sleep(0.1)
	    files = [p for p in pathlib.Path(folder).rglob("*") if p.is_file()]
	    for path in files:
	        kind = mimetypes.guess_type(path)[0]
	        s3.upload_file(str(path), bucket, str(path.relative_to(folder)),
	                       ExtraArgs={"ContentType": kind})
	    print(len(files), sum(p.stat().st_size for p in files) // 1024)


	def check(folder):
	    folder = pathlib.Path(folder)
	    left = {p for p in folder.rglob("*") if p.is_file()}
	    for listed in s3.list_objects_v2(Bucket=bucket)["Contents"]:
	        key = listed["Key"]
	        answer = s3.get_object(Bucket=bucket, Key=key)
	        body, kind = answer["Body"].read(), answer["ContentType"]
	        print(f"{len(body):>9}  {kind:<16}  {key}")
	        path = folder / key
	        if path not in left or path.read_bytes() != body:
	            sys.exit(f"{key} is not what the mount shows")
	        if kind != mimetypes.guess_type(path)[0]:
	            sys.exit(f"{key} has the wrong content type")
	        left.remove(path)
	    if left:
	        sys.exit(f"not in the bucket: {left}")


	def fetch(key, file):
	    s3.download_file(bucket, key, file)


	{"fill": fill, "check": check, "fetch": fetch}[what](*words)
	EOF
}

play()
{
	local frames start ms
	start=$(date +%s%3N)
	printf '\n   $ ffprobe -count_frames %s\n' "$1"
	frames=$(ffprobe -v error -count_frames -select_streams v:0 \
		-show_entries stream=nb_read_frames,width,height,codec_name \
		-of compact=p=0 "$1" </dev/null) || die "the video did not play"
	ms=$(($(date +%s%3N) - start))
	printf '   %s\n   (every frame read and decoded: %s ms)\n' "$frames" "$ms"
	[[ $frames == *nb_read_frames=250* ]] || die "expected 250 frames"
}

compare()
{
	local ours theirs
	ours=$(sha256sum <"$1") || die "cannot read $1"
	theirs=$(sha256sum <"$2") || die "cannot read $2"
	[ "$ours" = "$theirs" ] || die "the mount shows other bytes than went in"
	printf '   sha256 of what went into the bucket  %.16s...\n' "$ours"
	printf '   sha256 of what the mount shows       %.16s...  the same\n' \
		"$theirs"
}

next_steps()
{
	cat <<-EOF

	== Now a bucket of your own

	   On EC2, with a role that may use the bucket, there is nothing to set:

	       build/pailfs MY-BUCKET /mnt/somewhere

	   With keys, in a file that only you can read (ID:SECRET, one line):

	       build/pailfs MY-BUCKET /mnt/somewhere -o passwd_file=\$HOME/.passwd-pailfs

	   or in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in
	   ~/.aws/credentials (-o profile=NAME).  Another server than Amazon's:

	       build/pailfs MY-BUCKET /mnt/somewhere -o endpoint=https://s3.example.com

	   Only to read: -o ro.  A public bucket needs no keys: -o no_sign,ro.
	   All options:  build/pailfs --help
	   Look at it:   build/pailctl status /mnt/somewhere
	   Unmount:      build/pailctl umount /mnt/somewhere
	   Install:      make install

	EOF
}

if ! [ -r /dev/fuse ] || ! [ -w /dev/fuse ]; then
	die "/dev/fuse is not open to you: run this through sudo"
fi
trap clean_up EXIT
trap 'exit 130' INT TERM

title "A real S3 server (versitygw) on this machine"
choose_folder
start_server
echo "   $url"

title "A bucket, \"$bucket\": some folders, and a video that ffmpeg makes now"
make_files || die "ffmpeg failed"
count=$(bucket fill "$work/files") || die "could not fill the bucket: $(tail -n 5 "$work/server.log")"
read -r objects kib <<<"$count"
echo "   $objects objects, $kib KiB, put there by boto3"

title "Mounted as a directory"
mnt=$work/mnt
mkdir "$mnt"
start=$(date +%s%3N)
run build/pailfs $bucket "$mnt" \
	-o "endpoint=$url,passwd_file=$work/passwd,cache=$work/cache" ||
	die "the mount failed"
echo "   (ready after $(($(date +%s%3N) - start)) ms)"
daemon=$("$build/pailctl" status "$mnt" | awk '$1 == "pid" { print $2 }')
run tree --noreport "$mnt" || die "tree failed"
run cat "$mnt/notes/packing.txt" || die "cat failed"

title "The video, played from the bucket"
play "$mnt/videos/beach.mp4"
compare "$work/files/videos/beach.mp4" "$mnt/videos/beach.mp4"

title "Written: a file copied in, a folder renamed, the video made smaller"
run cp "$work/new/ticket.json" "$mnt/notes/" || die "cp failed"
run mv "$mnt/photos/2025/lisbon" "$mnt/photos/2025/lisboa" || die "mv failed"
run ffmpeg -v error -nostdin -i "$mnt/videos/beach.mp4" -vf scale=640:-2 \
	-preset veryfast -movflags +faststart "$mnt/videos/beach-small.mp4" ||
	die "ffmpeg failed"
echo '   (from the mount to the mount; +faststart moves the index to the front'
echo '   of the file when all else is written)'

title "What the bucket has now, asked by boto3: bytes, content type, key"
bucket check "$mnt" | sed 's/^/   /'
[ "${PIPESTATUS[0]}" = 0 ] || die "the bucket has not what was written"
echo '   (each object compared with its file: the same)'
bucket fetch videos/beach-small.mp4 "$work/beach-small.mp4" ||
	die "the new video is not there"
play "$work/beach-small.mp4"
echo '   (that was the object, as boto3 fetched it)'

title "What that cost"
run build/pailctl status "$mnt" || die "pailctl status failed"
echo '   (among them some, once, that find out what the server can)'

title "Unmounted"
run build/pailctl umount "$mnt" || die "pailctl umount failed"
next_steps
