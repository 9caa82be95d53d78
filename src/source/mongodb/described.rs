//! What an archive says of a collection: canonical Extended JSON, and the older form of numbers and dates, as documents.
//!
//! The other direction of `extended`. Refused is what looks like a typed value and is none.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, JavaScriptCodeWithScope, Regex, Timestamp};
use serde_json::{Map, Value};

/// Reads one line; nesting deeper than 128 is refused.
pub(super) fn described(text: &str) -> Result<Document, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => document(fields),
        Ok(_) => Err("it is no document".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn document(fields: Map<String, Value>) -> Result<Document, String> {
    fields.into_iter().map(|(name, value)| Ok((name, one(value)?))).collect()
}

fn one(value: Value) -> Result<Bson, String> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(value),
        Value::String(text) => Bson::String(text),
        Value::Array(values) => Bson::Array(values.into_iter().map(one).collect::<Result<_, _>>()?),
        Value::Number(number) => match number.as_i64() {
            Some(number) => i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32),
            None => Bson::Double(number.as_f64().ok_or("a number is out of range")?),
        },
        Value::Object(fields) => match fields.keys().next().map(String::as_str) {
            Some(name) if name.starts_with('$') => {
                let wrong = format!("a value of `{name}` is none");
                match typed(&fields) {
                    Some(Typed::Value(value)) => value,
                    Some(Typed::Scope(code, scope)) => {
                        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope: document(scope)? })
                    }
                    Some(Typed::Plain) => Bson::Document(document(fields)?),
                    None => return Err(wrong),
                }
            }
            _ => Bson::Document(document(fields)?),
        },
    })
}

enum Typed {
    Value(Bson),
    Scope(String, Map<String, Value>),
    /// The operator of a query, or the like.
    Plain,
}

fn typed(fields: &Map<String, Value>) -> Option<Typed> {
    let (name, value) = fields.iter().next()?;
    let inside = |name: &str| value.get(name);
    let text = |name: &str| inside(name).and_then(Value::as_str);
    let number = |name: &str| inside(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    if name == "$code" && fields.len() == 2 {
        let scope = fields.get("$scope")?.as_object()?.clone();
        return Some(Typed::Scope(value.as_str()?.to_owned(), scope));
    }
    if fields.len() != 1 {
        return Some(Typed::Plain);
    }
    Some(Typed::Value(match name.as_str() {
        "$numberInt" => Bson::Int32(value.as_str()?.parse().ok()?),
        "$numberLong" => Bson::Int64(value.as_str()?.parse().ok()?),
        "$numberDouble" => Bson::Double(match value.as_str()? {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            "NaN" => f64::NAN,
            number => number.parse().ok()?,
        }),
        "$numberDecimal" => Bson::Decimal128(value.as_str()?.parse::<Decimal128>().ok()?),
        "$oid" => Bson::ObjectId(ObjectId::parse_str(value.as_str()?).ok()?),
        "$date" => match value {
            Value::String(text) => Bson::DateTime(DateTime::parse_rfc3339_str(text).ok()?),
            _ => Bson::DateTime(DateTime::from_millis(text("$numberLong")?.parse().ok()?)),
        },
        "$timestamp" => Bson::Timestamp(Timestamp { time: number("t")?, increment: number("i")? }),
        "$binary" => {
            let kind = u8::from_str_radix(text("subType")?, 16).ok()?;
            Bson::Binary(Binary { subtype: BinarySubtype::from(kind), bytes: bytes(text("base64")?)? })
        }
        "$regularExpression" => Bson::RegularExpression(Regex {
            pattern: text("pattern")?.to_owned().try_into().ok()?,
            options: text("options")?.to_owned().try_into().ok()?,
        }),
        "$code" => Bson::JavaScriptCode(value.as_str()?.to_owned()),
        "$symbol" => Bson::Symbol(value.as_str()?.to_owned()),
        "$undefined" => Bson::Undefined,
        "$minKey" => Bson::MinKey,
        "$maxKey" => Bson::MaxKey,
        _ => return Some(Typed::Plain),
    }))
}

/// Base64 with its padding.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let letters = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    let (mut word, mut bits) = (0_u32, 0);
    for letter in letters.bytes() {
        word = word << 6 | u32::from(digit(letter)?);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(word >> bits & 0xff).ok()?);
        }
    }
    (bits < 6 && text.len().is_multiple_of(4)).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::super::extended::extended;
    use super::*;

    #[test]
    fn what_is_described_comes_back() {
        let text = concat!(
            r#"{"z":{"$numberInt":"1"},"a":{"$numberLong":"2"},"d":{"$numberDouble":"1.0"},"e":{"$numberDouble":"1e300"},"#,
            r#""n":{"$numberDouble":"NaN"},"i":{"$numberDouble":"-Infinity"},"t":"a\"\n\u0001","l":[true,null,{}],"#,
            r#""o":{"$oid":"0a0a0a0a0a0a0a0a0a0a0a0a"},"w":{"$date":{"$numberLong":"-5"}},"s":{"$timestamp":{"t":7,"i":8}},"#,
            r#""b":{"$binary":{"base64":"/wABAg==","subType":"00"}},"m":{"$minKey":1},"x":{"$maxKey":1},"u":{"$undefined":true},"#,
            r#""r":{"$regularExpression":{"pattern":"^a","options":"i"}},"c":{"$code":"f()"},"y":{"$symbol":"y"},"#,
            r#""k":{"$code":"g()","$scope":{"v":{"$numberInt":"3"}}},"q":{"$numberDecimal":"1.50"},"f":{"$gt":{"$numberInt":"5"}}}"#,
        );
        assert_eq!(extended(&described(text).unwrap()), Ok(text.to_owned()));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in
            [r#"{"a":{"$numberInt":"x"}}"#, r#"{"a":{"$oid":"1"}}"#, r#"{"a":{"$binary":{"base64":"A","subType":"00"}}}"#, "[]", "{"]
        {
            assert!(described(text).is_err(), "{text}");
        }
        assert!(described(&format!("{}{}", r#"{"a":"#.repeat(200), "}".repeat(200))).is_err());
        assert_eq!(
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="].map(bytes),
            [b"".as_slice(), b"f", b"fo", b"foo", b"foob"].map(|b| Some(b.to_vec()))
        );
    }
}
