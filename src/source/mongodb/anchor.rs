//! The last entry of the oplog that an artifact holds: where the next slice must begin, told by its very bytes. **[format]**
//!
//! As text `SECONDS:ORDINAL/TERM/SHA256`, in a record's `continues`. A position says where in the oplog an entry is; after an election
//! has taken entries back another one may stand at the same position, and only its bytes tell.

use std::fmt;
use std::str::FromStr;

use bson::RawDocument;
use sha2::{Digest, Sha256};

use super::server::OpTime;

/// An entry of the oplog, known again by position and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Where it is.
    pub at: OpTime,
    /// SHA-256 of the entry as it is on the wire.
    pub sha256: [u8; 32],
}

impl Anchor {
    /// The anchor of an entry; none for what has no position.
    pub fn of(entry: &RawDocument) -> Option<Self> {
        let at = position(entry)?;
        Some(Self { at, sha256: Sha256::digest(entry.as_bytes()).into() })
    }
}

/// Where an entry is.
pub(super) fn position(entry: &RawDocument) -> Option<OpTime> {
    let ts = entry.get_timestamp("ts").ok()?;
    let term = match entry.get("t").ok()? {
        None => super::server::NO_TERM,
        Some(term) => term.as_i64().or_else(|| term.as_i32().map(i64::from))?,
    };
    Some(OpTime { seconds: ts.time, ordinal: ts.increment, term })
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.at, self.at.term, hex(&self.sha256))
    }
}

/// Bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        use fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes().chunks_exact(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    digits.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// Why a text is no anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no entry of an oplog")]
pub struct NoAnchor(String);

impl FromStr for Anchor {
    type Err = NoAnchor;

    fn from_str(text: &str) -> Result<Self, NoAnchor> {
        let parsed = || {
            let mut parts = text.split('/');
            let (seconds, ordinal) = parts.next()?.split_once(':')?;
            let (term, sha256) = (parts.next()?, parts.next()?);
            let at = OpTime { seconds: seconds.parse().ok()?, ordinal: ordinal.parse().ok()?, term: term.parse().ok()? };
            let anchor = Self { at, sha256: bytes(sha256)? };
            // one entry has one text
            (parts.next().is_none() && anchor.to_string() == text).then_some(anchor)
        };
        parsed().ok_or_else(|| NoAnchor(text.chars().take(100).collect()))
    }
}

#[cfg(test)]
mod tests {
    use bson::{Timestamp, doc};

    use super::*;

    #[test]
    fn an_anchor_is_one_text() {
        let entry = |t: i64| bson::RawDocumentBuf::try_from(doc! { "ts": Timestamp { time: 7, increment: 2 }, "t": t, "op": "n" }).unwrap();
        let anchor = Anchor::of(&entry(3)).unwrap();
        assert_eq!(anchor.at, OpTime { seconds: 7, ordinal: 2, term: 3 });
        assert!(anchor.to_string().starts_with("7:2/3/"));
        assert_eq!(anchor.to_string().parse(), Ok(anchor));
        assert_ne!(Anchor::of(&entry(4)).unwrap().sha256, anchor.sha256);
        for bad in ["", "7:2", "7:2/3", "07:2/3/00", "7/2/3", &format!("{anchor}/"), &format!("+{anchor}")] {
            assert!(bad.parse::<Anchor>().is_err(), "{bad}");
        }
    }
}
