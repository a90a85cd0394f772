//! An HTTP client that does next to nothing, so that the figures are the service's: one request at a time on a connection
//! that stays open, the bytes made beforehand, and of the answer only what is measured.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) retry_after: bool,
    pub(crate) took: Duration,
}

impl Client {
    pub(crate) async fn new(base: &str) -> Self {
        Self::from(base, [127, 0, 0, 1]).await
    }

    /// One that comes from another address of this machine.
    pub(crate) async fn from(base: &str, address: [u8; 4]) -> Self {
        let to: SocketAddr = base.trim_start_matches("http://").parse().expect("an address and a port");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((address, 0).into()).expect("every address in 127.0.0.0/8 is this machine's");
        let stream = socket.connect(to).await.expect("it listens");
        stream.set_nodelay(true).expect("a connection");
        let mut client = Self { stream, received: Vec::with_capacity(16 * 1024) };
        assert_eq!(client.call(&get("/healthz", "")).await.status, 200);
        client
    }

    pub(crate) async fn call(&mut self, request: &[u8]) -> Answered {
        let start = Instant::now();
        self.stream.write_all(request).await.expect("it reads");
        self.received.clear();
        let head = loop {
            assert!(self.stream.read_buf(&mut self.received).await.expect("it answers") > 0, "it hung up");
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = std::str::from_utf8(&self.received[..head]).expect("our headers are ASCII");
        let header = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        let status: u16 = text[9..12].parse().expect("a status");
        let length = match header("content-length") {
            Some((_, length)) => length.trim().parse().expect("a length"),
            None if status == 204 => 0,
            None => panic!("an answer without a length: {text}"),
        };
        let retry_after = header("retry-after").is_some();
        while self.received.len() < head + length {
            assert!(self.stream.read_buf(&mut self.received).await.expect("it answers") > 0, "it hung up");
        }
        Answered { status, retry_after, took: start.elapsed() }
    }
}

pub(crate) fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

pub(crate) fn post(path: &str, body: &Value) -> Vec<u8> {
    posted(path, body, "")
}

pub(crate) fn post_as(path: &str, body: &Value, token: &str) -> Vec<u8> {
    posted(path, body, &format!("authorization: Bearer {token}\r\n"))
}

fn posted(path: &str, body: &Value, header: &str) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{header}content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
