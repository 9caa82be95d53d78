//! A server that takes conditions and ignores them: a proxy that drops their headers on the way to one that would keep them.
//!
//! Headers are signed, so it leads to the server's side that checks no signature.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::server;

/// Runs until the process ends.
#[must_use]
pub(crate) struct Dropper {
    pub(crate) endpoint: String,
    dropped: Arc<AtomicUsize>,
}

impl Dropper {
    /// One that listens.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let _ = server().lax();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&dropped);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                // A connection that breaks is the client's to judge.
                thread::spawn(move || drop(pass(stream, &count)));
            }
        });
        Self { endpoint, dropped }
    }

    /// How many conditions it has dropped.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Passes one request on, without its conditions; the answer says that the connection ends with it.
fn pass(mut client: TcpStream, dropped: &AtomicUsize) -> std::io::Result<()> {
    let mut request = BufReader::new(client.try_clone()?);
    let mut head = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if request.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "if-none-match" | "if-match" => drop(dropped.fetch_add(1, Ordering::Relaxed)),
            "connection" => {}
            // A body of a client that waits for leave to send it would never come.
            "expect" => client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
            _ if line.trim_end().is_empty() => break,
            _ => {
                if name == "content-length" {
                    length = line[name.len() + 1..].trim().parse().unwrap_or(0);
                }
                head.extend(line.as_bytes());
            }
        }
    }
    head.extend(b"Connection: close\r\n\r\n");
    let mut server = TcpStream::connect(server().lax().trim_start_matches("http://"))?;
    server.write_all(&head)?;
    std::io::copy(&mut request.take(length), &mut server)?;
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}
