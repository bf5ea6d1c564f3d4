#!/usr/bin/env bash
# osm-pbf-parser 2.3.0 (npm) beside osmium 4.3.2 (PyPI) and tiny-osmpbf 0.1.0 (npm): nodes of OpenStreetMap in PBF.
#
# One would expect, by OpenStreetMap's description of PBF: a group of primitives has nodes, dense nodes, ways or relations, and a
# reader knows all of them.
# Seen: of files that libosmium writes with its option pbf_dense_nodes=false the parser tells ways and relations, and no node. It
# prints "unimplemented nodes" to standard error, and ends without an error. Of dense nodes it tells all.
# To a user: places are gone from extracts of some tools, and ways refer to nodes that are not there.
. "$(dirname "$0")/lib.sh"
node_packages osm-pbf-parser@2.3.0 tiny-osmpbf@0.1.0
python_packages osmium==4.3.2

cat >write.py <<'END'
import osmium
from osmium.osm.mutable import Node, Relation, Way

class Tell(osmium.SimpleHandler):
    def node(self, node):
        print(f"{name}, osmium: node {node.id} {node.location.lat} {node.location.lon}")

    def way(self, way):
        print(f"{name}, osmium: way {way.id}")

    def relation(self, relation):
        print(f"{name}, osmium: relation {relation.id}")

for name, options in ("dense.pbf", "true"), ("plain.pbf", "false"):
    with osmium.SimpleWriter(osmium.io.File(name, f"pbf,pbf_dense_nodes={options}")) as writer:
        writer.add_node(Node(id=-7, location=(151.2093, -33.8688), tags={"name": "a"}))
        writer.add_node(Node(id=2**33 + 1, location=(-0.0000001, 0), tags={}))
        writer.add_way(Way(id=5, nodes=[-7, 2**33 + 1], tags={"highway": "path"}))
        writer.add_relation(Relation(id=6, members=[("w", 5, "")], tags={"type": "route"}))
    Tell().apply_file(name)
END
venv/bin/python write.py >got

cat >program.js <<'END'
const { createReadStream, readFileSync } = require('fs');
const tell = (name, library, element) =>
  console.log(`${name}, ${library}:`, element.type, element.id, ...(element.lat === undefined ? [] : [element.lat.toFixed(7), element.lon.toFixed(7)]));
(async () => {
  for (const name of ['dense.pbf', 'plain.pbf']) {
    const stream = createReadStream(name).pipe(require('osm-pbf-parser')());
    await new Promise((end, fail) => stream.on('end', end).on('error', fail).on('data', (elements) =>
      elements.forEach((element) => tell(name, 'osm-pbf-parser', element))));
    require('tiny-osmpbf')(readFileSync(name)).elements.forEach((element) => tell(name, 'tiny-osmpbf', element));
  }
})();
END
node program.js >>got 2>&1

seen got <<'END'
dense.pbf, osmium: node -7 -33.8688 151.2093
dense.pbf, osmium: node 8589934593 0.0 -1e-07
dense.pbf, osmium: way 5
dense.pbf, osmium: relation 6
plain.pbf, osmium: node -7 -33.8688 151.2093
plain.pbf, osmium: node 8589934593 0.0 -1e-07
plain.pbf, osmium: way 5
plain.pbf, osmium: relation 6
dense.pbf, osm-pbf-parser: node -7 -33.8688000 151.2093000
dense.pbf, osm-pbf-parser: node 8589934593 0.0000000 -0.0000001
dense.pbf, osm-pbf-parser: way 5
dense.pbf, osm-pbf-parser: relation 6
dense.pbf, tiny-osmpbf: node -7 -33.8688000 151.2093000
dense.pbf, tiny-osmpbf: node 8589934593 0.0000000 -0.0000001
dense.pbf, tiny-osmpbf: way 5
dense.pbf, tiny-osmpbf: relation 6
2 unimplemented nodes
plain.pbf, osm-pbf-parser: way 5
plain.pbf, osm-pbf-parser: relation 6
plain.pbf, tiny-osmpbf: node -7 -33.8688000 151.2093000
plain.pbf, tiny-osmpbf: node 8589934593 0.0000000 -0.0000001
plain.pbf, tiny-osmpbf: way 5
plain.pbf, tiny-osmpbf: relation 6
END
