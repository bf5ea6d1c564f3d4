//! TLS in front of a document server, and a trust store that knows its authority.

use millstream_embedded::tls::TlsFront;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha1::{Digest, Sha1};
use std::net::SocketAddr;
use std::path::Path;

/// The folder with a certificate for `localhost` and 127.0.0.1, and with that of the authority behind it.
const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/tests/tls");

/// Takes TLS off what comes for a server; it ends with this value.
pub(crate) async fn front(server: SocketAddr) -> TlsFront {
    let pem = std::fs::read(Path::new(CERTIFICATES).join("here.pem")).unwrap();
    let any = ([127, 0, 0, 1], 0).into();
    TlsFront::start(any, server, &pem).await.unwrap()
}

/// Writes a JKS store with the authority's certificate.
pub(crate) fn write_trust_store(path: &Path, password: &str) {
    let authority = CertificateDer::from_pem_file(Path::new(CERTIFICATES).join("ca.pem")).unwrap();
    // Version 2 and one entry: a certificate under the alias "ca", of the time 0.
    let mut store = vec![0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    store.extend(b"\0\x02ca\0\0\0\0\0\0\0\0\0\x05X.509");
    store.extend((authority.len() as u32).to_be_bytes());
    store.extend(authority.as_ref());
    let digest = Sha1::new();
    let digest = digest.chain_update(
        password
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect::<Vec<u8>>(),
    );
    let digest = digest.chain_update("Mighty Aphrodite").chain_update(&store);
    store.extend(digest.finalize());
    std::fs::write(path, store).unwrap();
}
