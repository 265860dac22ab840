//! The list of images.

use super::service::Service;
use crate::subject::Work;
use std::os::unix::fs::symlink;

/// Class, name, type, path, read-only, creation, modification, and four sizes.
pub(super) type Row = (
    String,
    String,
    String,
    String,
    bool,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
);

#[tokio::test]
async fn stacks_of_layers_are_listed_and_read_only_without_a_place_for_changes() {
    let Some(work) = Work::new() else { return };
    for folder in [".oci-sha256:aa/usr", "only.mstack", "open.mstack/rw"] {
        std::fs::create_dir_all(work.image(folder)).unwrap();
    }
    for stack in ["only", "open"] {
        let link = work.image(format!("{stack}.mstack/layer@0"));
        symlink("../.oci-sha256:aa", link).unwrap();
    }
    let Some(service) = Service::start(&work) else {
        return;
    };
    let client = service.client().await;
    let reply = client.call("ListImages", &("machine", 0u64)).await.unwrap();
    let rows: Vec<Row> = reply.body().deserialize().unwrap();
    // The layers themselves are listed too, as everything else that is hidden.
    assert!(rows.iter().any(|row| row.1 == ".oci-sha256:aa"));
    for (name, read_only) in [("only", true), ("open", false)] {
        let row = rows.iter().find(|row| row.1 == name).expect(name);
        let path = format!("/var/lib/machines/{name}.mstack");
        assert_eq!(
            (row.2.as_str(), &row.3, row.4),
            ("mstack", &path, read_only),
            "{name}"
        );
        assert!(row.5 > 0, "{name} was made at no time");
        let unknown = u64::MAX;
        assert_eq!(
            (row.6, row.7, row.8, row.9, row.10),
            (0, unknown, unknown, unknown, unknown),
            "{name}"
        );
    }
}
