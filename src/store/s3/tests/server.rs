//! A server in the process, with a layer in front that fails as it is told, and one that mends what `s3s-fs` gets wrong.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;

use crate::store::s3::client::Patience;
use crate::store::s3::{Bucket, Credentials, S3};

pub(super) const BUCKET: &str = "lucid-test";
pub(super) const KEY: &str = "planted-key-id";
pub(super) const SECRET: &str = "planted-secret-7f3a9c";

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A request, as far as tests ask about it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Below the bucket, with a slash before it.
    pub(super) key: String,
    pub(super) query: String,
    pub(super) condition: bool,
}

impl Call {
    pub(super) fn is(&self, method: &str, part: &str) -> bool {
        self.method.as_str() == method && format!("{}?{}", self.key, self.query).contains(part)
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The connection ends before anything is done.
    Reset,
    /// It is done, and the connection ends.
    Lost,
    /// It is not done, and this is the answer.
    Answer(u16, String),
    /// It is not done, and this is the answer of a service of that name.
    Says(&'static str, String),
    /// The answer's body ends after so many bytes.
    Cut(usize),
    /// The answer's body stops after so many bytes, and nothing comes any more.
    Stall(usize),
    /// No answer ever comes.
    Silence,
    /// The headers of conditions are not looked at.
    Unconditional,
    /// The text is another one.
    Rewrite(fn(String) -> String),
    /// The headers are other ones.
    Headers(&'static [(&'static str, &'static str)]),
}

struct Rule {
    which: Box<dyn Fn(&Call) -> bool + Send>,
    times: usize,
    fault: Fault,
}

struct Layer {
    folder: PathBuf,
    service: S3Service,
    rules: Mutex<Vec<Rule>>,
    calls: Mutex<Vec<Call>>,
    /// One at a time: `s3s-fs` looks and writes in two steps.
    gate: tokio::sync::Mutex<()>,
}

/// A running server.
pub(super) struct Server {
    address: SocketAddr,
    folder: TempDir,
    layer: Arc<Layer>,
    stores: AtomicUsize,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let layer = Arc::new(Layer {
            folder: folder.path().to_owned(),
            service: builder.build(),
            rules: Mutex::default(),
            calls: Mutex::default(),
            gate: tokio::sync::Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&layer);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                let layer = Arc::clone(&serving);
                tokio::spawn(async move {
                    let answer = service_fn(move |request| {
                        let layer = Arc::clone(&layer);
                        async move { layer.answer(request).await }
                    });
                    // a connection that a fault ends is an error here, as it should be
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
                });
            }
        });
        Self { address, folder, layer, stores: AtomicUsize::new(0), _runtime: runtime }
    }

    pub(super) fn bucket(&self) -> Bucket {
        Bucket {
            name: BUCKET.to_owned(),
            prefix: String::new(),
            region: None,
            endpoint: Some(format!("http://{}", self.address)),
            path_style: true,
            ca_file: None,
            credentials: Credentials::Key { id: KEY.to_owned(), secret: SECRET.to_owned() },
            storage_class: None,
            sse: None,
            object_lock: None,
            max_parts: 10_000,
            checksums: true,
            conditional: true,
        }
    }

    /// A store of its own in the server, below a prefix of its own.
    pub(super) fn fresh(&self) -> S3 {
        let n = self.stores.fetch_add(1, Ordering::Relaxed);
        self.store(|bucket| bucket.prefix = format!("prod/{n}/"))
    }

    /// The store of a bucket that differs.
    pub(super) fn store(&self, change: impl FnOnce(&mut Bucket)) -> S3 {
        let mut bucket = self.bucket();
        change(&mut bucket);
        S3::patient(bucket, Arc::new(Utc::now), patience()).unwrap()
    }

    /// The next requests of that kind meet a fault.
    pub(super) fn fail(&self, times: usize, fault: Fault, which: impl Fn(&Call) -> bool + Send + 'static) {
        self.layer.rules.lock().unwrap().push(Rule { which: Box::new(which), times, fault });
    }

    /// Every request so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.layer.calls.lock().unwrap().clone()
    }

    /// Puts a file behind the back of everybody.
    pub(super) fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.folder.path().join(BUCKET).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Uploads that have not ended.
    pub(super) fn open_uploads(&self) -> usize {
        let names = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".upload-")).count()
    }
}

/// Short enough for tests, long enough for two cores with other work.
pub(super) fn patience() -> Patience {
    Patience {
        backoff: Duration::from_millis(5),
        answer: Duration::from_secs(20),
        stall: Duration::from_millis(500),
        per_mib: Duration::from_secs(2),
        ..Patience::default()
    }
}

impl Layer {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
        let call = Call {
            method: request.method().clone(),
            key: request.uri().path().trim_start_matches(&format!("/{BUCKET}")).to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            condition: ["if-none-match", "if-match"].into_iter().any(|name| request.headers().contains_key(name)),
        };
        let fault = self.fault(&call);
        self.calls.lock().unwrap().push(call.clone());
        match &fault {
            Some(Fault::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Says(name, text)) => {
                let _ = request.into_body().collect().await;
                let mut answer = text_answer(200, text.clone());
                answer.headers_mut().insert("server", name.parse().unwrap());
                return Ok(answer);
            }
            Some(Fault::Answer(status, text)) => {
                // as a server does: it reads what it refuses
                let _ = request.into_body().collect().await;
                let text = if call.method == Method::HEAD { String::new() } else { text.clone() };
                return Ok(text_answer(*status, text));
            }
            _ => {}
        }
        let mut answer = self.serve(request, &call, matches!(fault, Some(Fault::Unconditional))).await?;
        match fault {
            Some(Fault::Lost) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Cut(bytes)) => {
                let whole = take(&mut answer).await;
                let part = stream::iter([Ok(Frame::data(whole.slice(..bytes))), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
                *answer.body_mut() = StreamBody::new(part).boxed_unsync();
            }
            Some(Fault::Stall(bytes)) => {
                let whole = take(&mut answer).await;
                let part = stream::iter([Ok(Frame::data(whole.slice(..bytes)))]).chain(stream::pending());
                *answer.body_mut() = StreamBody::new(part).boxed_unsync();
            }
            Some(Fault::Rewrite(rewrite)) => {
                let text = rewrite(String::from_utf8(take(&mut answer).await.to_vec()).unwrap());
                answer.headers_mut().remove("content-length");
                *answer.body_mut() = full(text.into());
            }
            Some(Fault::Headers(headers)) => {
                for (name, value) in headers {
                    answer.headers_mut().insert(*name, value.parse().unwrap());
                }
            }
            _ => {}
        }
        Ok(answer)
    }

    fn fault(&self, call: &Call) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| rule.times > 0 && (rule.which)(call))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    async fn serve(&self, request: Request<Incoming>, call: &Call, unconditional: bool) -> Result<Response<Body>, io::Error> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if unconditional {
            // the signature is over these headers: another one takes their place and is not looked at
            return self.overwrite(call, &body);
        }
        let path = self.folder.join(BUCKET).join(call.key.trim_start_matches('/'));
        if matches!(call.method, Method::GET | Method::HEAD) && call.key.len() > 1 && path.is_dir() {
            return Ok(text_answer(404, error("NoSuchKey", "a folder is no object")));
        }
        let _one = self.gate.lock().await;
        head.headers.remove("expect");
        let answer = self.service.call(Request::from_parts(head, s3s::Body::from(body))).await;
        let (mut head, body) = answer.map_err(|error| io::Error::other(format!("{error:?}")))?.into_parts();
        let body = BodyExt::collect(body).await.map_err(io::Error::other)?.to_bytes();
        head.headers.insert("date", Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string().parse().unwrap());
        Ok(Response::from_parts(head, full(body)))
    }

    /// A PUT as a service does it that knows no conditions.
    fn overwrite(&self, call: &Call, body: &[u8]) -> Result<Response<Body>, io::Error> {
        let path = self.folder.join(BUCKET).join(call.key.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap())?;
        std::fs::write(path, body)?;
        Ok(text_answer(200, String::new()))
    }
}

async fn take(answer: &mut Response<Body>) -> Bytes {
    std::mem::replace(answer.body_mut(), full(Bytes::new())).collect().await.unwrap().to_bytes()
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn text_answer(status: u16, text: String) -> Response<Body> {
    let mut answer = Response::new(full(text.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

/// The document of an error.
pub(super) fn error(code: &str, message: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
}
