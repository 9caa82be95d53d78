//! The JSON Schema of manifests, derived from the types that read them.
//!
//! Draft-07 with everything inlined: the one form that both TOML servers were measured to handle. With `$ref`s, taplo ends with a
//! stack overflow while it completes a documented field. TOML has no null, so no schema may offer one. The schema is for editors;
//! it is never the run-time validator, whose messages would be useless.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value, json};

use super::tables::Manifest;
use crate::finding::lint as lint_codes;

/// Where the schema of this major version of the manifest's language is published.
const ID: &str = "https://lucid-policy.dev/schema/lucid-policy.v1.json";

/// The schema as it is committed: indented JSON with a line end.
pub fn schema() -> String {
    let mut settings = SchemaSettings::draft07().with_transform(Editors).for_deserialize();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<Manifest>();
    schema.insert("$id".to_owned(), json!(ID));
    schema.insert("title".to_owned(), json!("lucid-policy manifest"));
    schema.insert("x-tombi-toml-version".to_owned(), json!("v1.0.0"));
    schema.remove("definitions");
    if let Some(lint) = schema.pointer_mut("/properties/lint").and_then(Value::as_object_mut) {
        let codes: Vec<_> = lint_codes::TABLE.iter().map(|code| code.as_str()).collect();
        lint.insert("propertyNames".to_owned(), json!({ "enum": codes }));
    }
    format!("{:#}\n", schema.to_value())
}

/// Takes out what confuses TOML editors and closes every map to good names.
#[derive(Clone)]
struct Editors;

impl Transform for Editors {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [one] = types.as_slice() {
                let one = one.clone();
                object.insert("type".to_owned(), one);
            }
        }
        if object.get("default") == Some(&Value::Null) {
            object.remove("default");
        }
        if let Some(Value::Array(values)) = object.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
        unwrap_option(object);
        flatten_choices(object);
        name_keys(object);
        object.remove("format");
        if object.get("examples") == Some(&json!([])) {
            object.remove("examples");
        }
    }
}

/// `anyOf [X, null]` is X.
fn unwrap_option(object: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = object.get_mut("anyOf") else { return };
    variants.retain(|variant| variant.get("type") != Some(&json!("null")));
    if let [Value::Object(one)] = variants.as_slice() {
        let one = one.clone();
        object.remove("anyOf");
        for (key, value) in one {
            object.entry(key).or_insert(value);
        }
    }
}

/// A map whose keys have one pattern, in the form for which both servers complete what is inside.
fn name_keys(object: &mut Map<String, Value>) {
    let Some(Value::Object(patterns)) = object.get("patternProperties") else { return };
    let mut patterns = patterns.iter();
    if let (Some((pattern, value)), None) = (patterns.next(), patterns.next()) {
        let (pattern, value) = (json!({ "pattern": pattern }), value.clone());
        object.remove("patternProperties");
        object.insert("propertyNames".to_owned(), pattern);
        object.insert("additionalProperties".to_owned(), value);
    }
}

/// `oneOf` of constants is an `enum`, with the descriptions where taplo looks for them.
fn flatten_choices(object: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = object.get("oneOf") else { return };
    let Some(values) = variants.iter().map(|v| v.get("const").cloned()).collect::<Option<Vec<_>>>() else { return };
    let docs: Vec<_> = variants.iter().map(|v| v.get("description").cloned().unwrap_or(json!(""))).collect();
    object.remove("oneOf");
    object.insert("type".to_owned(), json!("string"));
    object.insert("enum".to_owned(), Value::Array(values));
    object.insert("x-taplo".to_owned(), json!({ "docs": { "enumValues": docs } }));
}

#[cfg(test)]
mod tests {
    use super::super::NAME_PATTERN;
    use super::*;

    #[test]
    fn nothing_is_left_that_editors_were_measured_to_stumble_over() {
        let text = schema();
        for word in ["\"$ref\"", "\"allOf\"", "\"oneOf\"", "\"anyOf\"", "null", "patternProperties", "\"format\""] {
            assert!(!text.contains(word), "{word}");
        }
        assert!(text.contains(&NAME_PATTERN.replace('\\', "\\\\")));
    }

    #[test]
    fn the_type_behind_the_schema_reads_whole_manifests() {
        for path in ["policies/lucid.toml", "examples/quickstart/lucid-policy.toml"] {
            let text = std::fs::read_to_string(path).unwrap();
            let manifest: Manifest = toml::from_str(&text).unwrap();
            assert_eq!(manifest.version, Some(1), "{path}");
        }
    }
}
