//! A process in an image of the user's that has Python and nothing of Shoal. Pure.
//!
//! ```text
//!   init: shoal-program  Shoal's image   copies the program, its loader and libraries, its authorities --> emptyDir
//!   init: python-check   user's image    is there a Python that can call functions? says what is wrong where not
//!   shoal                user's image    the program, started by its own loader
//! ```
//!
//! The loader and the C library travel along, so that the program does not depend on how new the image's glibc is.

use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::Resources;

use crate::pods::{asked, confined};

/// The init container that brings the program.
const BRINGS: &str = "shoal-program";

/// The init container that looks at the image.
pub(crate) const CHECKS: &str = "python-check";

/// Where the program lies, as `shoal program copy` lays it out. No path that images use.
const DIR: &str = "/shoal-program";

/// The volume that it lies in.
const VOLUME: &str = "shoal-program";

/// Has the first container of a pod run in `image`, with the program out of `shoal`'s image.
pub(crate) fn put_in(pod: &mut Value, image: &str, shoal: &str, resources: &Resources) {
    let mount = json!({"name": VOLUME, "mountPath": DIR, "readOnly": true});
    let program = [format!("{DIR}/loader"), "--library-path".into(), format!("{DIR}/lib"), format!("{DIR}/shoal")];
    // A quota may ask every container what it takes. They end before the process starts: the pod takes no more for them.
    let init = |name: &str, image: &str, mount: &Value| {
        json!({
            "name": name,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "resources": asked(resources),
            "securityContext": confined(),
            // What it says at its end is where conditions take it from.
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [mount],
        })
    };
    let mut brings = init(BRINGS, shoal, &json!({"name": VOLUME, "mountPath": DIR}));
    brings["args"] = json!(["program", "copy", format!("--to={DIR}")]);
    let mut checks = init(CHECKS, image, &mount);
    checks["command"] = program.to_vec().into();
    checks["args"] = json!(["program", "check-python"]);

    let spec = &mut pod["spec"];
    spec["initContainers"] = json!([brings, checks]);
    push(&mut spec["volumes"], json!({"name": VOLUME, "emptyDir": {}}));
    let container = &mut spec["containers"][0];
    container["image"] = image.into();
    container["command"] = program.to_vec().into();
    push(&mut container["volumeMounts"], mount);
    // What the head can reach its workers can, too: the image may know fewer authorities, or none.
    push(&mut container["env"], json!({"name": "SSL_CERT_FILE", "value": format!("{DIR}/ca-certificates.crt")}));
}

fn push(list: &mut Value, item: Value) {
    if let Some(list) = list.as_array_mut() {
        list.push(item);
    }
}
