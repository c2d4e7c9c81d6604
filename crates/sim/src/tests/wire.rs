//! The connection itself, against another implementation's buffered one.

use std::future::poll_fn;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::broker::{Authority, server_tls, trust};
use crate::net::{Peer, Wire, WireError};

/// Everything that is sent comes back, in order, both ways at once, over records of every size.
#[tokio::test]
async fn a_wire_carries_megabytes_both_ways() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let acceptor = TlsAcceptor::from(server_tls(&authority));
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (tcp, _) = listener.accept().await.expect("accepted");
        let mut stream = acceptor.accept(tcp).await.expect("a handshake");
        let mut buffer = vec![0; 10_007];
        loop {
            let n = stream.read(&mut buffer).await.expect("read");
            if n == 0 {
                break;
            }
            stream.write_all(&buffer[..n]).await.expect("written");
            stream.flush().await.expect("flushed");
            if buffer[n - 1] == 0xEE {
                break;
            }
        }
        stream.shutdown().await.expect("closed");
    });
    let name = ServerName::try_from("localhost").expect("a name");
    let peer = Peer { address, tls: Some((trust(&authority).anonymous(), name)) };
    let mut wire = Wire::connect(&peer).await.expect("connected");
    assert!(wire.full_handshake());

    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 233) as u8).chain([0xEE]).collect();
    let mut pieces = sent.chunks(33_333);
    let received = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let closed = loop {
        while wire.has_room() {
            match pieces.next() {
                Some(piece) => wire.send(piece).expect("sent"),
                None => break,
            }
        }
        let sink = Arc::clone(&received);
        let read = poll_fn(|cx| wire.poll_read(cx, &mut |bytes| sink.lock().extend_from_slice(bytes)));
        if let Err(error) = read.await {
            break error;
        }
    };
    assert!(matches!(closed, WireError::Closed), "{closed}");
    assert!(*received.lock() == sent, "{} of {} bytes", received.lock().len(), sent.len());
}
