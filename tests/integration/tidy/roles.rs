//! The rights of the two roles in `examples/offsite`, against the requests that `store::s3` makes.

use std::collections::BTreeSet;

use super::{file, files};

/// Who makes a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Both,
    /// `apply --no-delete`, and `doctor --no-delete`.
    Writer,
    /// `apply --only-delete`.
    Janitor,
}

/// The method of the SDK, the right that AWS wants for it (Service Authorization Reference, Amazon S3), and whose it is.
const REQUESTS: [(&str, &str, Who); 20] = [
    ("abort_multipart_upload", "s3:AbortMultipartUpload", Who::Both),
    ("complete_multipart_upload", "s3:PutObject", Who::Both),
    ("create_multipart_upload", "s3:PutObject", Who::Both),
    ("delete_object", "s3:DeleteObject", Who::Janitor),
    ("delete_object", "s3:DeleteObjectVersion", Who::Janitor),
    ("delete_objects", "s3:DeleteObject", Who::Janitor),
    ("delete_objects", "s3:DeleteObjectVersion", Who::Janitor),
    ("get_bucket_lifecycle_configuration", "s3:GetLifecycleConfiguration", Who::Writer),
    ("get_bucket_versioning", "s3:GetBucketVersioning", Who::Both),
    ("get_object", "s3:GetObject", Who::Both),
    ("get_object_legal_hold", "s3:GetObjectLegalHold", Who::Janitor),
    ("get_object_lock_configuration", "s3:GetBucketObjectLockConfiguration", Who::Both),
    ("get_object_retention", "s3:GetObjectRetention", Who::Both),
    ("head_object", "s3:GetObject", Who::Both),
    ("list_multipart_uploads", "s3:ListBucketMultipartUploads", Who::Both),
    ("list_object_versions", "s3:ListBucketVersions", Who::Janitor),
    ("list_objects_v2", "s3:ListBucket", Who::Both),
    ("put_object", "s3:PutObject", Who::Both),
    ("put_object_retention", "s3:PutObjectRetention", Who::Writer),
    ("upload_part", "s3:PutObject", Who::Both),
];

fn requests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files("src/store/s3", ".rs").iter().filter(|file| !file.path.contains("/tests/")) {
        for after in file.text.split("client.").skip(1) {
            let method: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.extend(after[method.len()..].starts_with("()").then_some(method));
        }
    }
    found
}

/// The actions of a role's file.
fn allowed(role: &str) -> BTreeSet<String> {
    let rights: serde_json::Value = serde_json::from_str(&file(&format!("examples/offsite/{role}.json")).text).unwrap();
    let statements = rights["Statement"].as_array().unwrap();
    assert!(statements.iter().all(|statement| statement["Effect"] == "Allow"));
    let actions = statements.iter().map(|statement| &statement["Action"]);
    actions
        .flat_map(|action| action.as_array().cloned().unwrap_or_else(|| vec![action.clone()]))
        .map(|a| a.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_roles_of_the_example_have_the_rights_that_the_requests_need_and_no_others() {
    let known: BTreeSet<String> = REQUESTS.iter().map(|(method, ..)| (*method).to_owned()).collect();
    assert_eq!(requests(), known, "this table is not of what `store::s3` asks for");
    for (role, other) in [("writer", Who::Janitor), ("janitor", Who::Writer)] {
        let needed: BTreeSet<String> =
            REQUESTS.iter().filter(|(_, _, who)| *who != other).map(|(_, action, _)| (*action).to_owned()).collect();
        assert_eq!(allowed(role), needed, "{role}.json");
    }
}
