//! S3 beside a cluster: versitygw on the node's address, which pods and the host reach.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::addons;
use super::kubectl::Kubectl;
use super::network::run;
use super::own::Own;
use super::place::Place;
use super::process::Launch;
use super::tools;
use super::trouble::{Trouble, While};

/// A port that nothing else on the node has.
const PORT: u16 = 7070;

/// What signatures name; there is only one.
pub const REGION: &str = "us-east-1";

/// Where pods find it.
const NAMESPACE: &str = "object-store";

/// What it lets in. No secret: it listens where only this machine is.
const KEY_ID: &str = "shoal";
const SECRET: &str = "shoal-secret";

/// S3 with one bucket.
pub struct ObjectStore {
    address: String,
    bucket: String,
    /// Where its objects are files.
    folder: PathBuf,
}

impl ObjectStore {
    pub(super) fn start(own: &mut Own, kubectl: &Kubectl, bucket: &str) -> Result<Self, Trouble> {
        let (place, node) = own.place()?;
        let address = format!("{node}:{PORT}");
        let [objects, metadata] = ["objects", "metadata"].map(|part| own.files().make(&format!("object-store/{part}")));
        let folder = objects?.join(bucket);
        let (objects, metadata) = (folder.with_file_name("").display().to_string(), metadata?.display().to_string());
        // Attributes as files: not every file system that a folder is on has others.
        let arguments = ["--port", &address, "--region", REGION, "posix", "--sidecar", &metadata, &objects];
        let arguments = arguments.map(str::to_owned).to_vec();
        let name = "versitygw";
        let environment = vec![("ROOT_ACCESS_KEY", KEY_ID.to_owned()), ("ROOT_SECRET_KEY", SECRET.to_owned())];
        own.start_process(Launch { name, program: tools::built(name)?, arguments, environment, place })?;
        own.wait(name, "S3 listens", || TcpStream::connect(&address).ok())?;
        kubectl.apply(&service(node))?;
        let this = Self { address, bucket: bucket.to_owned(), folder };
        // A folder made by hand would lack what the server notes of its buckets.
        run(this.curl("").args(["--request", "PUT"]))?;
        Ok(this)
    }

    /// Its URL, for pods and for the host.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its URL for pods, by name: the same in every cluster.
    pub fn endpoint_in_cluster(&self) -> String {
        format!("http://s3.{NAMESPACE}:{PORT}")
    }

    /// Variables of the environment that lead pods to it.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint_in_cluster()),
            ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }

    /// The manifest of a Secret with these variables.
    pub fn secret(&self, namespace: &str, name: &str) -> String {
        let variables = self.environment().map(|(name, value)| format!("  {name}: '{value}'\n")).concat();
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\nstringData:\n{variables}"
        )
    }

    /// Puts a file.
    ///
    /// # Errors
    /// Where the server refuses it.
    pub fn put(&self, key: &str, file: &Path) -> Result<(), Trouble> {
        run(self.curl(key).arg("--upload-file").arg(file)).or_could_not(format!("put {}", file.display()))
    }

    /// Puts every file of a folder, not of folders in it, below a prefix.
    ///
    /// # Errors
    /// Where one cannot be read, or the server refuses it.
    pub fn put_folder(&self, prefix: &str, folder: &Path) -> Result<(), Trouble> {
        let reading = || format!("read {}", folder.display());
        for entry in std::fs::read_dir(folder).or_could_not(reading())? {
            let path = entry.or_could_not(reading())?.path();
            if path.is_file() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.put(&format!("{prefix}/{name}"), &path)?;
            }
        }
        Ok(())
    }

    /// The objects below a prefix that ends where a folder does, without it, in order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        files(&self.folder.join(prefix))
    }

    /// Parts of uploads that were neither completed nor aborted.
    pub fn unfinished_uploads(&self) -> Vec<String> {
        files(&self.folder.join(".sgwtmp/multipart"))
    }

    /// curl on a key of the bucket, signed.
    fn curl(&self, key: &str) -> Command {
        let mut command = Place::Host.command("curl");
        command.args(["--silent", "--show-error", "--fail", "--aws-sigv4", &format!("aws:amz:{REGION}:s3")]);
        command.args(["--user", &format!("{KEY_ID}:{SECRET}")]);
        // Otherwise it takes the digest of what it has not read yet, which is that of nothing.
        command.args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        command.arg(format!("{}/{}/{key}", self.endpoint(), self.bucket).trim_end_matches('/'));
        command
    }
}

/// Files below a folder, by their path in it, in order; none where there is no folder.
fn files(folder: &Path) -> Vec<String> {
    fn collect(folder: &Path, root: &Path, found: &mut Vec<String>) {
        // What goes in the middle of the look is not there.
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                collect(&path, root, found);
            } else if let Ok(path) = path.strip_prefix(root) {
                found.push(path.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}

fn service(node: std::net::Ipv4Addr) -> String {
    format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: v1
kind: Service
metadata: {{name: s3, namespace: {NAMESPACE}}}
spec: {{ports: [{{name: s3, port: {PORT}}}]}}
---
{endpoints}",
        endpoints = addons::endpoints(NAMESPACE, "s3", node, &[("s3", "TCP", PORT)]),
    )
}
