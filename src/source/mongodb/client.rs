//! The connection: made when something is first asked, on threads of its own.
//!
//! Calls block. They come from threads of their own and from those of `spawn_blocking`, never from inside of an async task: tokio
//! panics there. The driver encrypts with `ring` whatever else is linked, the same that the rest of this program uses.

use std::future::{Future, IntoFuture};
use std::sync::Arc;

use bson::Document;
use bson::raw::RawDocumentBuf;
use mongodb::error::{ErrorKind, InsertManyError};

use super::error::MongoError;
use super::failure;
use super::options::options;
use super::reading::Reads;
use super::target::Target;

/// A server that can be spoken to.
pub struct Client {
    target: Target,
    /// Who asks, wherever the target has named them.
    user: Option<String>,
    /// Taken by the end of the value only.
    inner: Option<(mongodb::Client, tokio::runtime::Runtime)>,
}

impl Client {
    /// Makes a connection ready. Nothing is sent before something is asked.
    ///
    /// Fails where the target cannot be used.
    pub fn open(target: &Target) -> Result<Self, MongoError> {
        let options = options(target)?;
        let unusable =
            |message: String, help: &str| MongoError::Unusable { place: target.place.to_string(), message, help: help.to_owned() };
        let user = options.credential.as_ref().and_then(|credential| credential.username.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("mongodb").enable_all().build();
        let runtime = runtime.map_err(|error| unusable(format!("no thread can be started: {error}"), "try it again"))?;
        let client = {
            let _inside = runtime.enter();
            mongodb::Client::with_options(options)
        };
        match client {
            Ok(client) => Ok(Self { target: target.clone(), user, inner: Some((client, runtime)) }),
            Err(error) => {
                // to drop a runtime is forbidden where this may be called
                runtime.shutdown_background();
                Err(failure::meaning(target, user.as_deref(), "connect", &error))
            }
        }
    }

    /// The server, for people.
    pub fn place(&self) -> String {
        self.target.place.to_string()
    }

    /// Who asks.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The answer to a command that costs the server next to nothing.
    pub(super) fn ask(&self, database: &str, command: Document) -> Result<Document, MongoError> {
        let name = command.keys().next().cloned().unwrap_or_default();
        let database = self.inner().0.database(database);
        self.wait(self.in_time(&name, database.run_command(command).into_future()))
    }

    /// The answer to a command that may take as long as it has to.
    pub(super) fn perform(&self, database: &str, command: RawDocumentBuf) -> Result<Document, MongoError> {
        let name = command.iter().next().and_then(Result::ok).map(|(name, _)| name.as_str().to_owned()).unwrap_or_default();
        let answer = self.wait(self.inner().0.database(database).run_raw_command(command).into_future());
        answer.map_err(|error| failure::meaning(&self.target, self.user(), &name, &error))
    }

    /// Inserts documents in any order, past validators; gives those that the server refused, by place, code and reason.
    pub(super) fn insert(
        &self,
        database: &str,
        collection: &str,
        documents: &[RawDocumentBuf],
    ) -> Result<Vec<(usize, i32, String)>, MongoError> {
        let collection = self.inner().0.database(database).collection::<RawDocumentBuf>(collection);
        let insert = collection.insert_many(documents).ordered(false).bypass_document_validation(true);
        let Err(error) = self.wait(insert.into_future()) else { return Ok(Vec::new()) };
        match &*error.kind {
            ErrorKind::InsertMany(InsertManyError { write_errors: Some(refused), write_concern_error: None, .. }) => {
                Ok(refused.iter().map(|one| (one.index, one.code, self.target.redact(&one.message))).collect())
            }
            _ => Err(failure::meaning(&self.target, self.user(), "insert", &error)),
        }
    }

    /// All documents of a cursor that a command opens. They are kept together: this is for lists of things, not for data.
    pub(super) fn list(&self, database: &str, command: Document) -> Result<Vec<Document>, MongoError> {
        let name = command.keys().next().cloned().unwrap_or_default();
        let database = self.inner().0.database(database);
        self.wait(async {
            let mut cursor = self.in_time(&name, database.run_cursor_command(command).into_future()).await?;
            let mut found = Vec::new();
            while self.in_time(&name, cursor.advance()).await? {
                let document = cursor.deserialize_current();
                found.push(document.map_err(|error| failure::meaning(&self.target, self.user(), &name, &error))?);
            }
            Ok(found)
        })
    }

    /// An answer, no later than the target's patience ends.
    async fn in_time<T>(&self, command: &str, answer: impl Future<Output = mongodb::error::Result<T>>) -> Result<T, MongoError> {
        let limit = self.target.patience.select + self.target.patience.answer;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| failure::meaning(&self.target, self.user(), command, &error)),
            Err(_) => Err(MongoError::Late { place: self.place(), command: command.to_owned(), seconds: limit.as_secs() }),
        }
    }

    /// What tasks of the connection's own threads read with.
    pub(super) fn reads(&self) -> Reads {
        let (target, user) = (self.target.clone(), self.user.clone());
        let meaning = move |command: &str, error: &mongodb::error::Error| failure::meaning(&target, user.as_deref(), command, error);
        Reads { driver: self.inner().0.clone(), meaning: Arc::new(meaning) }
    }

    /// Begins work on the connection's own threads.
    pub(super) fn begin<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
        self.inner().1.spawn(task)
    }

    pub(super) fn wait<F: Future>(&self, work: F) -> F::Output {
        self.inner().1.block_on(work)
    }

    fn inner(&self) -> &(mongodb::Client, tokio::runtime::Runtime) {
        self.inner.as_ref().expect("a connection has its threads")
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.place())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some((client, runtime)) = self.inner.take() {
            {
                // it says goodbye in a task of its own
                let _inside = runtime.enter();
                drop(client);
            }
            // to wait for it is forbidden inside of a task, where the last holder may end
            runtime.shutdown_background();
        }
    }
}
