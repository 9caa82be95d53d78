//! What no real server here can be: one that answers each command with what a test has written down for it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use bson::{Document, doc};
use lucid_policy::source::mongodb::{Place, Target};

/// The kind of message that carries commands and answers.
const MESSAGE: i32 = 2013;

/// A server that only says what it was told to say; its threads end with their connections.
pub(crate) struct Told {
    address: String,
}

impl Told {
    /// One that answers so to the commands of these names, over the answer of a standalone to `hello`. To all others it says nothing.
    pub(crate) fn new(answers: &[(&str, Document)]) -> Self {
        let mut answers: HashMap<String, Document> = answers.iter().map(|(name, answer)| ((*name).to_owned(), answer.clone())).collect();
        let mut hello = doc! {
            "helloOk": true, "isWritablePrimary": true, "ismaster": true, "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 17, "ok": 1.0,
        };
        hello.extend(answers.remove("hello").unwrap_or_default());
        for name in ["hello", "isMaster", "ismaster"] {
            answers.insert(name.to_owned(), hello.clone());
        }
        let (answers, listener) = (Arc::new(answers), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for line in listener.incoming().map_while(Result::ok) {
                let answers = Arc::clone(&answers);
                thread::spawn(move || talk(line, &answers));
            }
        });
        Self { address }
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(Place::Hosts(vec![self.address.clone()]))
    }
}

fn talk(mut line: TcpStream, answers: &HashMap<String, Document>) -> Option<()> {
    loop {
        let mut head = [0; 16];
        line.read_exact(&mut head).ok()?;
        let number = |at: usize| i32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        let mut body = vec![0; usize::try_from(number(0)).ok()? - head.len()];
        line.read_exact(&mut body).ok()?;
        assert_eq!(number(12), MESSAGE, "a message of another kind");
        // the flags and the kind of the first section come before the command
        let command = Document::from_reader(&body[5..]).unwrap();
        let Some(answer) = answers.get(command.keys().next().unwrap()) else { continue };
        let mut message = Vec::new();
        let document = answer.to_vec().unwrap();
        for word in [i32::try_from(21 + document.len()).unwrap(), 1, number(4), MESSAGE, 0] {
            message.extend(word.to_le_bytes());
        }
        message.push(0);
        message.extend(document);
        line.write_all(&message).ok()?;
    }
}
