//! Documents as canonical Extended JSON, the form in which MongoDB's own tools keep what describes a collection.
//!
//! Every value keeps its type and every document the order of its fields. Refused is `DBPointer`, which nothing writes any more.

use std::fmt::Write;

use bson::spec::BinarySubtype;
use bson::{Bson, Document};

/// A document as one line.
pub(super) fn extended(document: &Document) -> Result<String, &'static str> {
    let mut out = String::new();
    fields(&mut out, document)?;
    Ok(out)
}

fn fields(out: &mut String, document: &Document) -> Result<(), &'static str> {
    out.push('{');
    for (place, (name, value)) in document.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        text(out, name);
        out.push(':');
        one(out, value)?;
    }
    out.push('}');
    Ok(())
}

fn text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// `{"name":"value"}`.
fn typed(out: &mut String, name: &str, value: &str) {
    out.push_str("{\"");
    out.push_str(name);
    out.push_str("\":");
    text(out, value);
    out.push('}');
}

fn one(out: &mut String, value: &Bson) -> Result<(), &'static str> {
    match value {
        Bson::Double(number) => typed(out, "$numberDouble", &double(*number)),
        Bson::String(value) => text(out, value),
        Bson::Array(values) => {
            out.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                one(out, value)?;
            }
            out.push(']');
        }
        Bson::Document(document) => fields(out, document)?,
        Bson::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Bson::Null => out.push_str("null"),
        Bson::RegularExpression(regex) => {
            out.push_str("{\"$regularExpression\":{\"pattern\":");
            text(out, regex.pattern.as_str());
            out.push_str(",\"options\":");
            text(out, regex.options.as_str());
            out.push_str("}}");
        }
        Bson::JavaScriptCode(code) => typed(out, "$code", code),
        Bson::JavaScriptCodeWithScope(code) => {
            out.push_str("{\"$code\":");
            text(out, &code.code);
            out.push_str(",\"$scope\":");
            fields(out, &code.scope)?;
            out.push('}');
        }
        Bson::Int32(number) => typed(out, "$numberInt", &number.to_string()),
        Bson::Int64(number) => typed(out, "$numberLong", &number.to_string()),
        Bson::Timestamp(at) => push(out, format_args!("{{\"$timestamp\":{{\"t\":{},\"i\":{}}}}}", at.time, at.increment)),
        Bson::Binary(binary) => {
            let (kind, data) = (u8::from(binary.subtype), base64(&binary.bytes));
            push(out, format_args!("{{\"$binary\":{{\"base64\":\"{data}\",\"subType\":\"{kind:02x}\"}}}}"));
        }
        Bson::ObjectId(id) => typed(out, "$oid", &id.to_hex()),
        Bson::DateTime(at) => push(out, format_args!("{{\"$date\":{{\"$numberLong\":\"{}\"}}}}", at.timestamp_millis())),
        Bson::Symbol(value) => typed(out, "$symbol", value),
        Bson::Decimal128(number) => typed(out, "$numberDecimal", &number.to_string()),
        Bson::Undefined => out.push_str("{\"$undefined\":true}"),
        Bson::MaxKey => out.push_str("{\"$maxKey\":1}"),
        Bson::MinKey => out.push_str("{\"$minKey\":1}"),
        Bson::DbPointer(_) => return Err("a value of type `DBPointer`"),
    }
    Ok(())
}

fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    // writing to a String cannot fail
    let _ = out.write_fmt(what);
}

fn double(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        // the shortest text that gives the number back, with a point or an exponent
        format!("{number:?}")
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or_default());
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = char::from(LETTERS[(word >> (18 - 6 * place) & 63) as usize]);
            out.push(if place > three.len() { '=' } else { letter });
        }
    }
    out
}

/// A UUID as 32 hexadecimal digits.
pub(super) fn uuid(value: &Bson) -> Option<String> {
    let Bson::Binary(binary) = value else { return None };
    let right = binary.subtype == BinarySubtype::Uuid && binary.bytes.len() == 16;
    right.then(|| {
        binary.bytes.iter().fold(String::new(), |mut text, byte| {
            push(&mut text, format_args!("{byte:02x}"));
            text
        })
    })
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;
    use bson::{Binary, DateTime, Decimal128, Regex, Timestamp, doc};

    use super::*;

    #[test]
    fn every_type_keeps_its_name_and_every_field_its_place() {
        let document = doc! {
            "z": 1_i32, "a": 2_i64, "d": 1.0, "e": 1e300, "n": f64::NAN, "i": f64::NEG_INFINITY, "t": "a\"\n\u{1}", "l": [true, Bson::Null, {}],
            "o": ObjectId::from_bytes([10; 12]), "w": DateTime::from_millis(-5), "s": Timestamp { time: 7, increment: 8 },
            "b": Binary { subtype: BinarySubtype::Generic, bytes: vec![255, 0, 1, 2] }, "m": Bson::MinKey, "x": Bson::MaxKey, "u": Bson::Undefined,
            "r": Regex { pattern: bson::raw::cstr!("^a").to_owned(), options: bson::raw::cstr!("i").to_owned() },
            "c": Bson::JavaScriptCode("f()".to_owned()), "y": Bson::Symbol("y".to_owned()), "q": "1.50".parse::<Decimal128>().unwrap(),
        };
        let expected = concat!(
            r#"{"z":{"$numberInt":"1"},"a":{"$numberLong":"2"},"d":{"$numberDouble":"1.0"},"e":{"$numberDouble":"1e300"},"#,
            r#""n":{"$numberDouble":"NaN"},"i":{"$numberDouble":"-Infinity"},"t":"a\"\n\u0001","l":[true,null,{}],"#,
            r#""o":{"$oid":"0a0a0a0a0a0a0a0a0a0a0a0a"},"w":{"$date":{"$numberLong":"-5"}},"s":{"$timestamp":{"t":7,"i":8}},"#,
            r#""b":{"$binary":{"base64":"/wABAg==","subType":"00"}},"m":{"$minKey":1},"x":{"$maxKey":1},"u":{"$undefined":true},"#,
            r#""r":{"$regularExpression":{"pattern":"^a","options":"i"}},"c":{"$code":"f()"},"y":{"$symbol":"y"},"#,
            r#""q":{"$numberDecimal":"1.50"}}"#,
        );
        assert_eq!(extended(&document), Ok(expected.to_owned()));
    }

    #[test]
    fn bytes_are_padded_to_fours() {
        assert_eq!([b"".as_slice(), b"f", b"fo", b"foo", b"foob"].map(base64), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn a_uuid_is_of_its_own_type() {
        let of = |subtype, bytes| uuid(&Bson::Binary(Binary { subtype, bytes }));
        assert_eq!(of(BinarySubtype::Uuid, vec![0xab; 16]).as_deref(), Some("abababababababababababababababab"));
        assert_eq!(of(BinarySubtype::Uuid, vec![0; 3]), None);
        assert_eq!(of(BinarySubtype::Generic, vec![0; 16]), None);
    }
}
