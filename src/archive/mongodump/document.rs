//! Whether bytes are one BSON document, by a walk over all of it that decodes nothing.
//!
//! Lengths and ends have to fit into each other, types have to be known, booleans to be one. Refused as well: nesting deeper than
//! any server allows, so that who comes after may recurse. Text is not looked into.

/// Longest document in bytes: what a user may store, and what a server adds to it in an entry of its oplog.
///
/// MongoDB's own restore stops at 16 MiB in archives.
pub const DOCUMENT_MOST: usize = (16 << 20) + (16 << 10);
/// The empty document: its length and its end.
pub(super) const DOCUMENT_LEAST: usize = 5;
/// Servers stop at 200, and at 250 when they are told to; entries of the oplog wrap what they hold.
const DEPTH_MOST: usize = 512;

const TOO_LONG: &str = "a value is longer than its document";

/// Walks over one whole document; an error says what is wrong.
pub fn check_document(bytes: &[u8]) -> Result<(), &'static str> {
    let mut walk = Walk { bytes, at: 0, ends: Vec::new() };
    if walk.length()? != bytes.len() || bytes.len() > DOCUMENT_MOST {
        return Err("its length is not the one that it names");
    }
    walk.open()?;
    while let Some(&end) = walk.ends.last() {
        let kind = walk.byte()?;
        if kind != 0 {
            walk.text()?;
            walk.value(kind)?;
        } else if walk.at == end {
            walk.ends.pop();
        } else {
            return Err("a document ends before its length");
        }
    }
    Ok(())
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the open documents end, the innermost last.
    ends: Vec<usize>,
}

impl Walk<'_> {
    /// Where values have to stop: the last byte of a document is its own.
    fn limit(&self) -> usize {
        self.ends.last().map_or(self.bytes.len(), |end| end - 1)
    }

    fn pass(&mut self, count: usize) -> Result<(), &'static str> {
        self.at = self.at.checked_add(count).filter(|next| *next <= self.limit()).ok_or(TOO_LONG)?;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let byte = *self.bytes.get(self.at).ok_or(TOO_LONG)?;
        self.at += 1;
        Ok(byte)
    }

    /// The length that stands here; the place stays.
    fn length(&self) -> Result<usize, &'static str> {
        let four = self.bytes.get(self.at..self.at.saturating_add(4)).and_then(|four| four.try_into().ok()).ok_or(TOO_LONG)?;
        usize::try_from(i32::from_le_bytes(four)).map_err(|_| "a length is negative")
    }

    /// Enters the document that begins here.
    fn open(&mut self) -> Result<(), &'static str> {
        let length = self.length()?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.limit()).ok_or("a document is longer than what it is in")?;
        if length < DOCUMENT_LEAST || self.bytes[end - 1] != 0 {
            return Err("a document has no end");
        }
        if self.ends.len() == DEPTH_MOST {
            return Err("it is nested too deeply");
        }
        self.ends.push(end);
        self.at += 4;
        Ok(())
    }

    /// Passes text that ends with a zero.
    fn text(&mut self) -> Result<(), &'static str> {
        let rest = self.bytes.get(self.at..self.limit()).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == 0).ok_or("a name has no end")?;
        self.pass(length + 1)
    }

    /// Passes text that has its length before it.
    fn string(&mut self) -> Result<(), &'static str> {
        let length = self.length()?;
        self.pass(4)?;
        self.pass(length)?;
        if length == 0 || self.bytes[self.at - 1] != 0 {
            return Err("a text has no end");
        }
        Ok(())
    }

    /// Passes a value, or enters it.
    fn value(&mut self, kind: u8) -> Result<(), &'static str> {
        match kind {
            // undefined, null, the smallest and the largest key
            0x06 | 0x0a | 0xff | 0x7f => Ok(()),
            0x08 => match self.byte()? {
                0 | 1 if self.at <= self.limit() => Ok(()),
                _ => Err("a boolean is neither true nor false"),
            },
            // i32
            0x10 => self.pass(4),
            // double, date, timestamp, i64
            0x01 | 0x09 | 0x11 | 0x12 => self.pass(8),
            // object id
            0x07 => self.pass(12),
            // decimal
            0x13 => self.pass(16),
            // text, code, symbol
            0x02 | 0x0d | 0x0e => self.string(),
            // document, array
            0x03 | 0x04 => self.open(),
            // binary: its length does not count the byte of its subtype
            0x05 => {
                let length = self.length()?;
                self.pass(5)?;
                self.pass(length)
            }
            // pattern, and its options
            0x0b => {
                self.text()?;
                self.text()
            }
            // pointer: a name and an object id
            0x0c => {
                self.string()?;
                self.pass(12)
            }
            // code with its variables: a length over both
            0x0f => {
                let end = self.at.checked_add(self.length()?);
                self.pass(4)?;
                self.string()?;
                self.open()?;
                if self.ends.last().copied() == end { Ok(()) } else { Err("code has another length than its parts") }
            }
            _ => Err("a value has an unknown type"),
        }
    }
}
