#!/usr/bin/env bash
# fflate 0.8.3, lz4js 0.2.0, lz4-napi 2.10.0, zstddec 0.3.4 (npm) beside Python's gzip, lz4 4.4.5 and zstandard 0.25.0 (PyPI): frames.
#
# One would expect, by RFC 1952, 2.2, LZ4's frame format and RFC 8878, 3: several members or frames in a row are read as one; blocks of
# LZ4 may have checksums behind them; a frame of zstd need not tell its size, as none that is written as a stream does.
# Seen: gunzipSync of fflate, lz4js and lz4-napi give the first part only, though fflate's Gunzip gives all; lz4js takes the
# checksums of blocks for the data that follow, and gives other bytes; zstddec gives 16908218 bytes that begin with zeros for a
# frame without a size. No error.
# To a user: of objects that were put together of others the rest is gone, and streams of zstd are not what was packed.
. "$(dirname "$0")/lib.sh"
node_packages fflate@0.8.3 lz4js@0.2.0 lz4-napi@2.10.0 zstddec@0.3.4
python_packages lz4==4.4.5 zstandard==0.25.0

cat >write.py <<'END'
import gzip
import lz4.frame
import zstandard

first, second = b"first " * 200, b"second " * 300
stream = zstandard.ZstdCompressor().compressobj()
for name, told in {
    "one.gz": gzip.compress(first), "two.gz": gzip.compress(first) + gzip.compress(second),
    "one.lz4": lz4.frame.compress(first), "two.lz4": lz4.frame.compress(first) + lz4.frame.compress(second),
    "checked.lz4": lz4.frame.compress(first, block_checksum=True),
    "one.zst": zstandard.compress(first), "two.zst": zstandard.compress(first) + zstandard.compress(second),
    "stream.zst": stream.compress(first) + stream.flush(),
}.items():
    with open(name, "wb") as file:
        file.write(told)
def zstd(name):
    return zstandard.ZstdDecompressor().stream_reader(open(name, "rb"), read_across_frames=True)

read = {"gz": gzip.open, "lz4": lz4.frame.open, "zst": zstd}
for name in "one.gz two.gz one.lz4 two.lz4 checked.lz4 one.zst two.zst stream.zst".split():
    print(f"{name}, Python:", len(read[name.split(".")[1]](name).read()), "bytes")
END
venv/bin/python write.py >got

cat >program.mjs <<'END'
import { readFileSync } from 'node:fs';
import { gunzipSync, Gunzip } from 'fflate';
import lz4js from 'lz4js';
import napi from 'lz4-napi';
import { ZSTDDecoder } from 'zstddec';

const zstd = new ZSTDDecoder();
await zstd.init();
const stream = (bytes) => {
  const parts = [];
  new Gunzip((part) => parts.push(part)).push(bytes, true);
  return Buffer.concat(parts);
};
const told = (bytes) =>
  `${bytes.length} bytes, ${JSON.stringify(Buffer.from(bytes).toString('latin1', 0, 8))}`;
for (const [library, read, ...names] of [
  ['fflate, gunzipSync', gunzipSync, 'one.gz', 'two.gz'], ['fflate, Gunzip', stream, 'one.gz', 'two.gz'],
  ['lz4js', lz4js.decompress, 'one.lz4', 'two.lz4', 'checked.lz4'],
  ['lz4-napi', napi.decompressFrameSync, 'one.lz4', 'two.lz4', 'checked.lz4'],
  ['zstddec', (bytes) => zstd.decode(bytes), 'one.zst', 'two.zst', 'stream.zst'],
]) {
  for (const name of names) console.log(`${name}, ${library}:`, told(read(new Uint8Array(readFileSync(name)))));
}
END
node program.mjs >>got

seen got <<'END'
one.gz, Python: 1200 bytes
two.gz, Python: 3300 bytes
one.lz4, Python: 1200 bytes
two.lz4, Python: 3300 bytes
checked.lz4, Python: 1200 bytes
one.zst, Python: 1200 bytes
two.zst, Python: 3300 bytes
stream.zst, Python: 1200 bytes
one.gz, fflate, gunzipSync: 1200 bytes, "first fi"
two.gz, fflate, gunzipSync: 1200 bytes, "first fi"
one.gz, fflate, Gunzip: 1200 bytes, "first fi"
two.gz, fflate, Gunzip: 3300 bytes, "first fi"
one.lz4, lz4js: 1200 bytes, "first fi"
two.lz4, lz4js: 1200 bytes, "first fi"
checked.lz4, lz4js: 32 bytes, "t \u0006\u0000ÿÿÿ\u0000"
one.lz4, lz4-napi: 1200 bytes, "first fi"
two.lz4, lz4-napi: 1200 bytes, "first fi"
checked.lz4, lz4-napi: 1200 bytes, "first fi"
one.zst, zstddec: 1200 bytes, "first fi"
two.zst, zstddec: 3300 bytes, "first fi"
stream.zst, zstddec: 16908218 bytes, "\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000"
END
