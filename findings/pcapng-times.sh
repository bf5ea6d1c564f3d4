#!/usr/bin/env bash
# dpkt 1.9.8, python-pcapng 2.1.1, scapy 2.8.0 (PyPI), gopacket 1.7.7 (Go), pcap-file 2.0.0, pcap-parser 0.17.0 (crates.io): times
# of packets in PCAPNG.
#
# One would expect, by the IETF's draft of PCAPNG, 4.2: each interface of a section has a resolution (if_tsresol: microseconds if not
# told, else a power of 10, or of 2 with the highest bit set) and seconds to add to each time (if_tsoffset), in the section's order.
# Seen: all files here tell 1700000000.5, or 1700000000 in seconds. python-pcapng and scapy add no offset; dpkt takes the first
# interface's resolution for all, scapy that of the first section; gopacket takes seconds for microseconds, and is a little off with
# powers of 2; pcap-file takes all for nanoseconds; pcap-parser knows no powers of 2, and misreads the offset of a big-endian file.
# To a user: captures of two interfaces, or of a device with a clock of its own, are of 1973, of 55840, or of 1970.
. "$(dirname "$0")/lib.sh"
python_packages dpkt==1.9.8 python-pcapng==2.1.1 scapy==2.8.0

cat >write.py <<'END'
import struct

def block(order, kind, body):
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)

def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + value.ljust((len(value) + 3) // 4 * 4, b"\0")

def section(interfaces, times, order="<"):
    told = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    for resolution, offset in interfaces:
        options = b"" if resolution is None else option(order, 9, bytes([resolution]))
        options += b"" if offset is None else option(order, 14, struct.pack(order + "q", offset))
        told += block(order, 1, struct.pack(order + "HHI", 1, 0, 0) + options + (option(order, 0, b"") if options else b""))
    for interface, time in enumerate(times):
        told += block(order, 6, struct.pack(order + "IIIII", interface, time >> 32, time & 0xFFFFFFFF, 16, 16) + bytes(16))
    return told

micro, nano = 1700000000500000, 1700000000500000000
for name, told in {
    "1 not told": section([(None, None)], [micro]),
    "2 nanoseconds": section([(9, None)], [nano]),
    "3 seconds": section([(0, None)], [1700000000]),
    "4 power of 2": section([(128 + 20, None)], [1700000000 * 2**20 + 2**19]),
    "5 offset": section([(6, 1600000000)], [micro - 1600000000 * 10**6]),
    "6 offset, big-endian": section([(6, 1600000000)], [micro - 1600000000 * 10**6], ">"),
    "7 two interfaces": section([(6, None), (9, None)], [micro, nano]),
    "8 two sections": section([(6, None)], [micro]) + section([(9, None)], [nano]),
}.items():
    with open(name + ".pcapng", "wb") as file:
        file.write(told)
END
python3 write.py

cat >program.py <<'END'
import glob
import logging
logging.disable()
import dpkt
import pcapng
from scapy.utils import PcapNgReader

for name in sorted(glob.glob("*.pcapng")):
    with open(name, "rb") as file:
        print(name, "dpkt:", *(time for time, _ in dpkt.pcapng.Reader(file)))
    with open(name, "rb") as file:
        print(name, "python-pcapng:", *(block.timestamp for block in pcapng.FileScanner(file) if isinstance(block, pcapng.blocks.EnhancedPacket)))
    print(name, "scapy:", *(packet.time for packet in PcapNgReader(name)))
END
venv/bin/python program.py >told

cat >main.go <<'END'
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gopacket/gopacket/pcapgo"
)

func main() {
	names, _ := filepath.Glob("*.pcapng")
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			panic(err)
		}
		reader, err := pcapgo.NewNgReader(file, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			panic(err)
		}
		fmt.Print(name, " gopacket:")
		for _, about, err := reader.ReadPacketData(); err == nil; _, about, err = reader.ReadPacketData() {
			fmt.Printf(" %d.%09d", about.Timestamp.Unix(), about.Timestamp.Nanosecond())
		}
		fmt.Println()
	}
}
END
go_program github.com/gopacket/gopacket/pcapgo@v1.7.7 >>told

rust_packages <<'END'
pcap-file = "=2.0.0"
pcap-parser = "=0.17.0"
END
cat >src/main.rs <<'END'
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapError, PcapNGReader};

fn main() {
    for name in std::env::args().skip(1) {
        print!("{name} pcap-file:");
        let mut reader = pcap_file::pcapng::PcapNgReader::new(std::fs::File::open(&name).unwrap()).unwrap();
        while let Some(block) = reader.next_block() {
            if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.unwrap() {
                print!(" {:?}", packet.timestamp);
            }
        }
        print!("\n{name} pcap-parser:");
        let mut reader = PcapNGReader::new(65536, std::fs::File::open(&name).unwrap()).unwrap();
        let mut interfaces = Vec::new();
        loop {
            match reader.next() {
                Ok((taken, block)) => {
                    match block {
                        PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
                        PcapBlockOwned::NG(Block::InterfaceDescription(told)) => interfaces.push((told.ts_resolution(), told.ts_offset())),
                        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => match interfaces[packet.if_id as usize] {
                            (Some(units), offset) => print!(" {}", packet.decode_ts_f64(offset as u64, units)),
                            (None, _) => print!(" no resolution"),
                        },
                        _ => {}
                    }
                    reader.consume(taken);
                }
                Err(PcapError::Eof) => break,
                Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
                Err(error) => panic!("{error:?}"),
            }
        }
        println!();
    }
}
END
rust_program -- *.pcapng >>told
sort told | sed 's/\.pcapng/,/' >got

seen got <<'END'
1 not told, dpkt: 1700000000.5
1 not told, gopacket: 1700000000.500000000
1 not told, pcap-file: 1700000.0005s
1 not told, pcap-parser: 1700000000.5
1 not told, python-pcapng: 1700000000.5
1 not told, scapy: 1700000000.5
2 nanoseconds, dpkt: 1700000000.5
2 nanoseconds, gopacket: 1700000000.500000000
2 nanoseconds, pcap-file: 1700000000.5s
2 nanoseconds, pcap-parser: 1700000000.5
2 nanoseconds, python-pcapng: 1700000000.5
2 nanoseconds, scapy: 1700000000.5
3 seconds, dpkt: 1700000000.0
3 seconds, gopacket: 1700.000000000
3 seconds, pcap-file: 1.7s
3 seconds, pcap-parser: 1700000000
3 seconds, python-pcapng: 1700000000
3 seconds, scapy: 1700000000
4 power of 2, dpkt: 1700000000.5
4 power of 2, gopacket: 1700000000.499646464
4 power of 2, pcap-file: 1782579.200524288s
4 power of 2, pcap-parser: no resolution
4 power of 2, python-pcapng: 1700000000.5
4 power of 2, scapy: 1700000000.5
5 offset, dpkt: 1700000000.5
5 offset, gopacket: 1700000000.500000000
5 offset, pcap-file: 100000.0005s
5 offset, pcap-parser: 1700000000.5
5 offset, python-pcapng: 100000000.5
5 offset, scapy: 100000000.5
6 offset, big-endian, dpkt: 1700000000.5
6 offset, big-endian, gopacket: 1700000000.500000000
6 offset, big-endian, pcap-file: 100000.0005s
6 offset, big-endian, pcap-parser: 100000000.5
6 offset, big-endian, python-pcapng: 100000000.5
6 offset, big-endian, scapy: 100000000.5
7 two interfaces, dpkt: 1700000000.5 1700000000500.0
7 two interfaces, gopacket: 1700000000.500000000 1700000000.500000000
7 two interfaces, pcap-file: 1700000.0005s 1700000000.5s
7 two interfaces, pcap-parser: 1700000000.5 1700000000.5
7 two interfaces, python-pcapng: 1700000000.5 1700000000.5
7 two interfaces, scapy: 1700000000.5 1700000000.5
8 two sections, dpkt: 1700000000.5 1700000000500.0
8 two sections, gopacket: 1700000000.500000000 1700000000.500000000
8 two sections, pcap-file: 1700000.0005s 1700000000.5s
8 two sections, pcap-parser: 1700000000.5 1700000000.5
8 two sections, python-pcapng: 1700000000.5 1700000000.5
8 two sections, scapy: 1700000000.5 1700000000500
END
