//! importctl moves images of OCI as files, with the service and without it.

use super::service::Service;
use crate::make::{moved, plain_tree, run};
use crate::subject::{Run, Work, is_ours};
use crate::tree::assert_same;
use std::fs;
use std::path::Path;

#[test]
fn importctl_exports_images_of_oci_and_imports_them() {
    let Some(work) = Work::new().filter(|_| is_ours()) else {
        return;
    };
    let Some(service) = Service::start(&work) else {
        return;
    };
    moved(&plain_tree(&work), &work.image("t"));
    // Layers have no holes.
    let fill = "cat sparse > ../../filled; cat ../../filled > sparse";
    run("sh", &["-euc", fill], &work.image("t"));
    let same = |path: &Path| assert_same(&work.image("t"), path);
    for name in ["served", "alone"] {
        let importctl = || -> Run {
            let line = work.importctl(&service.address);
            let line = line.arg("--no-ask-password").arg("-m");
            match name {
                "alone" => line
                    .arg("--standalone")
                    .arg("--image-root")
                    .arg(work.path("images")),
                _ => line,
            }
        };
        let archive = work.path(format!("{name}.tar"));
        importctl()
            .args(["export-oci", "t"])
            .arg(&archive)
            .succeed();
        let sources = match name {
            "alone" => {
                let layout = work.path("layout");
                importctl().args(["export-oci", "t"]).arg(&layout).succeed();
                vec![archive, layout]
            }
            // The folder is made without it; the service is given its descriptor.
            _ => vec![archive],
        };
        for (number, source) in sources.iter().enumerate() {
            let flat = format!("{name}{number}");
            let import = importctl().args(["import-oci", "--flat"]);
            import.arg(source).arg(&flat).succeed();
            same(&work.image(&flat));
            let stack = format!("{name}{number}s");
            importctl()
                .arg("import-oci")
                .arg(source)
                .arg(&stack)
                .succeed();
            let layer = work.image(format!("{stack}.mstack/layer@0"));
            same(&fs::canonicalize(layer).unwrap());
        }
    }
    let import = work.importctl(&service.address);
    let import = import.args(["--no-ask-password", "-m", "import-oci", "--tag=t"]);
    import.arg(work.path("layout")).arg("by-tag").succeed();
    let import = work.importctl(&service.address);
    let import = import.args(["--no-ask-password", "-m", "import-oci", "--tag=x"]);
    let outcome = import.arg(work.path("layout")).arg("none").outcome();
    assert_eq!(outcome.status, 1);
    assert!(outcome.stderr.contains("it has 't'"), "{}", outcome.stderr);
}
