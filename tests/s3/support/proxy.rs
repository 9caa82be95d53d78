//! A way to the server that can be spoiled: toxiproxy, driven over HTTP.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::http::ask;
use super::server;

static MADE: AtomicU32 = AtomicU32::new(0);

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the program to the server.
    Up,
    /// From the server to the program.
    Down,
}

/// A way to the server, of a test's own.
#[must_use]
pub(crate) struct Proxy {
    name: String,
    /// `http://` or `https://` and where it listens.
    pub(crate) endpoint: String,
}

impl Proxy {
    /// A good way to the server's `http`.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let name = format!("p-{}-{}", process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let upstream = server().http.trim_start_matches("http://");
        let made = order("POST", "/proxies", &json!({ "name": name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true }));
        let endpoint = format!("http://{}", made["listen"].as_str().unwrap());
        Self { name, endpoint }
    }

    /// Every connection is closed once so many bytes went this way on it.
    #[track_caller]
    pub(crate) fn cuts(&self, way: Way, bytes: u64) {
        self.toxic(way, "limit_data", 1.0, &json!({ "bytes": bytes }));
    }

    /// So much of the connections, from 0 to 1, is closed once so many bytes went this way.
    #[track_caller]
    pub(crate) fn cuts_some(&self, way: Way, bytes: u64, share: f64) {
        self.toxic(way, "limit_data", share, &json!({ "bytes": bytes }));
    }

    /// No connection carries more than so many KB in a second.
    #[track_caller]
    pub(crate) fn slows(&self, way: Way, rate: u64) {
        self.toxic(way, "bandwidth", 1.0, &json!({ "rate": rate }));
    }

    /// So much of the connections, from 0 to 1, is reset at once.
    #[track_caller]
    pub(crate) fn resets(&self, share: f64) {
        self.toxic(Way::Down, "reset_peer", share, &json!({ "timeout": 0 }));
    }

    /// Nobody listens, and connections that are open end.
    #[track_caller]
    pub(crate) fn goes_down(&self) {
        order("POST", &format!("/proxies/{}", self.name), &json!({ "enabled": false }));
    }

    /// A good way again.
    #[track_caller]
    pub(crate) fn heals(&self) {
        for toxic in order("GET", &format!("/proxies/{}", self.name), &json!({}))["toxics"].as_array().unwrap() {
            let (status, said) = delete(&format!("/proxies/{}/toxics/{}", self.name, toxic["name"].as_str().unwrap()));
            assert_eq!(status, 204, "{said}");
        }
        order("POST", &format!("/proxies/{}", self.name), &json!({ "enabled": true }));
    }

    #[track_caller]
    fn toxic(&self, way: Way, kind: &str, share: f64, attributes: &Value) {
        let stream = if way == Way::Up { "upstream" } else { "downstream" };
        let toxic = json!({ "type": kind, "stream": stream, "toxicity": share, "attributes": attributes });
        order("POST", &format!("/proxies/{}/toxics", self.name), &toxic);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = delete(&format!("/proxies/{}", self.name));
    }
}

fn delete(path: &str) -> (u16, String) {
    ask(&server().proxies, "DELETE", path, "")
}

#[track_caller]
fn order(method: &str, path: &str, body: &Value) -> Value {
    let (status, said) = ask(&server().proxies, method, path, &body.to_string());
    assert!(status < 300, "{method} {path}: {status} {said}");
    serde_json::from_str(&said).unwrap()
}
