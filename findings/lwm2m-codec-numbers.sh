#!/usr/bin/env bash
# lwm2m-codec 0.1.1 (npm) beside leshan-core 1.5.0 (Maven Central): numbers of LwM2M in TLV.
#
# One would expect, by OMA's LightweightM2M, appendix C: a float has 4 or 8 bytes, an integer or time 1, 2, 4 or 8 with a sign.
# Seen: of a float of 8 bytes the first 4 are taken for the whole, 21.3 is 2.83; an integer of 8 bytes below zero is less by 2^33. It
# writes some integers from 2^32 on as ones that are greater by 2^32. Others are right. No error.
# To a user: readings of devices that send doubles or long integers are others.
. "$(dirname "$0")/lib.sh"
node_packages lwm2m-codec@0.1.1
java_packages org.eclipse.leshan:leshan-core:1.5.0

cat >Program.java <<'END'
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.eclipse.leshan.core.tlv.Tlv;
import org.eclipse.leshan.core.tlv.TlvEncoder;

class Program {
    static void write(String path, int id, Object told, byte[] value) {
        var bytes = TlvEncoder.encode(new Tlv[] {new Tlv(Tlv.TlvType.RESOURCE_VALUE, null, value, id)});
        System.out.println(path + "\t" + told + "\t" + HexFormat.of().formatHex(bytes.array(), 0, bytes.limit()));
    }

    public static void main(String[] arguments) {
        for (double number : new double[] {21.5, 21.3, -40.7}) {
            write("/3303/0", 5700, number, TlvEncoder.encodeFloat(number));
        }
        write("/3303/0", 5700, "21.3 in 4 bytes", ByteBuffer.allocate(4).putFloat(21.3f).array());
        for (long number : new long[] {-1, -129, -32769, 1L << 32, -(1L << 32), -(1L << 40) - 1}) {
            write("/3/0", 10, number, TlvEncoder.encodeInteger(number));
        }
        write("/3/0", 10, "-1 in 8 bytes", ByteBuffer.allocate(8).putLong(-1).array());
    }
}
END
java_program Program.java >written

cat >program.js <<'END'
const codec = require('lwm2m-codec');
for (const line of require('fs').readFileSync('written', 'utf8').trim().split('\n')) {
  const [path, told, bytes] = line.split('\t');
  console.log(`leshan writes ${told} as ${bytes}, lwm2m-codec reads`, ...Object.values(codec.decode('tlv', path, Buffer.from(bytes, 'hex'))));
}
for (const number of [2 ** 40, 2 ** 33 - 1, 2 ** 53 - 1]) {
  const bytes = codec.encode('tlv', '/3/0', { 10: number });
  console.log(`lwm2m-codec writes ${number} as ${bytes.toString('hex')}, which is`, bytes.readBigInt64BE(bytes.length - 8));
}
END
node program.js >got

seen got <<'END'
leshan writes 21.5 as e81644084035800000000000, lwm2m-codec reads 2.8359375
leshan writes 21.3 as e816440840354ccccccccccd, lwm2m-codec reads 2.8328123092651367
leshan writes -40.7 as e8164408c04459999999999a, lwm2m-codec reads -3.0679686069488525
leshan writes 21.3 in 4 bytes as e4164441aa6666, lwm2m-codec reads 21.299999237060547
leshan writes -1 as c10aff, lwm2m-codec reads -1
leshan writes -129 as c20aff7f, lwm2m-codec reads -129
leshan writes -32769 as c40affff7fff, lwm2m-codec reads -32769
leshan writes 4294967296 as c80a080000000100000000, lwm2m-codec reads 4294967296
leshan writes -4294967296 as c80a08ffffffff00000000, lwm2m-codec reads -12884901888
leshan writes -1099511627777 as c80a08fffffeffffffffff, lwm2m-codec reads -1108101562369
leshan writes -1 in 8 bytes as c80a08ffffffffffffffff, lwm2m-codec reads -8589934593
lwm2m-codec writes 1099511627776 as 08000bc80a080000010000000000, which is 1099511627776n
lwm2m-codec writes 8589934591 as 08000bc80a0800000002ffffffff, which is 12884901887n
lwm2m-codec writes 9007199254740991 as 08000bc80a0800200000ffffffff, which is 9007203549708287n
END
