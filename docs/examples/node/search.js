// Searches an index of a gleann server, by TLS and with a key.
//
//   unzip -d protos gleann-protos.zip   # of `make protos`, in a copy of this folder
//   npm install
//   node search.js localhost:50051 ca.pem app.key pages 0.12,0.5,-0.3
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [address, ca, keyFile, index, numbers] = process.argv.slice(2);
const protos = loadSync("gleann/v1/search.proto", { includeDirs: ["protos"] });
const { SearchService } = grpc.loadPackageDefinition(protos).gleann.v1;
const client = new SearchService(address, grpc.credentials.createSsl(readFileSync(ca)));
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${readFileSync(keyFile, "utf8").trim()}`);

const query = Float32Array.from(numbers.split(","), Number);
const queries = {
  data: Buffer.from(query.buffer), // of this machine, and little-endian on all common ones
  scalarType: "SCALAR_TYPE_FLOAT32",
  dim: query.length,
  count: 1,
};
client.Search({ index, queries, params: { k: 3 } }, metadata, (error, found) => {
  client.close();
  if (error) {
    console.error(`${error.code}: ${error.details}`);
    process.exitCode = 1;
    return;
  }
  // Copied: views of 4 and 8 bytes an entry must begin at a multiple of that.
  const distances = new Float32Array(Uint8Array.from(found.distances).buffer);
  idsOf(found.ids).forEach((id, place) => console.log(id, distances[place]));
});

/** The ids of a message as texts: of numbers, 8 bytes each, or of strings. */
function idsOf(ids) {
  if (ids.int64s?.length) {
    return Array.from(new BigInt64Array(Uint8Array.from(ids.int64s).buffer), String);
  }
  let begin = 0;
  const lengths = new Int32Array(Uint8Array.from(ids.strings.lengths).buffer);
  return Array.from(lengths, (length) =>
    ids.strings.text.toString("utf8", begin, (begin += length)),
  );
}
