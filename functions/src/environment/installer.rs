//! Who installs packages, and how it is told to. Pure, but for the look at what the machine has.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use shoal_core::functions::Requirements;

use super::PYTHON;
use super::base::Base;
use crate::start::PASSED_ON;

/// Who installs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    /// The program of that path.
    Uv(PathBuf),
    /// The one that a Python puts into environments that it makes.
    Pip,
}

impl Installer {
    /// `uv` where it is in one of these folders, else pip where the Python has it.
    pub(crate) fn of(path: Option<&OsStr>, base: &Base) -> Option<Self> {
        let mut folders = path.iter().flat_map(std::env::split_paths);
        let uv = folders.find_map(|folder| Some(folder.join("uv")).filter(|uv| is_program(uv)));
        uv.map(Self::Uv).or_else(|| base.has_pip.then_some(Self::Pip))
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Uv(_) => "uv",
            Self::Pip => "pip",
        }
    }

    /// The commands that make an environment of a file of requirements.
    pub(crate) fn commands(&self, base: &Base, to: &Path, file: &Path, requirements: &Requirements) -> [Command; 2] {
        let python = to.join(PYTHON).into_os_string();
        let (make, install) = match self {
            Self::Uv(uv) => {
                let mut make = Command::new("uv venv", uv);
                make.add(["venv", "--python", &base.executable, "--no-python-downloads"]).path(to);
                let mut install = Command::new("uv pip install", uv);
                // Else every process would compile what it imports.
                install.add(["pip", "install", "--compile-bytecode", "--python"]).path(&python);
                (make, install)
            }
            Self::Pip => {
                let mut make = Command::new("python -m venv", &base.executable);
                make.add(["-m", "venv"]).path(to);
                let mut install = Command::new("pip install", &python);
                install.add([
                    "-m",
                    "pip",
                    "install",
                    "--no-input",
                    "--progress-bar=off",
                    "--disable-pip-version-check",
                ]);
                (make, install)
            }
        };
        let mut install = install;
        install.add(["-r"]).path(file);
        if let Some(wheels) = &requirements.wheels {
            install.add(["--no-index", "--find-links", wheels]);
        }
        if let Some(index) = &requirements.index_url {
            install.add(["--index-url", index]);
        }
        [make, install]
    }
}

/// A command, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) line: Vec<OsString>,
}

impl Command {
    fn new(name: &'static str, program: impl AsRef<OsStr>) -> Self {
        Self { name, line: vec![program.as_ref().to_owned()] }
    }

    fn add<const N: usize>(&mut self, arguments: [&str; N]) -> &mut Self {
        self.line.extend(arguments.map(OsString::from));
        self
    }

    fn path(&mut self, path: impl AsRef<OsStr>) -> &mut Self {
        self.line.push(path.as_ref().to_owned());
        self
    }
}

/// What installers read beside what functions get: where packages come from, how to get there, and whom to trust.
const NETWORK: [&str; 15] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NETRC",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
];

/// What would have them install to another place, or for another Python.
const ELSEWHERE: [&str; 10] = [
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_PYTHON",
    "PIP_DRY_RUN",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
    "UV_PREFIX",
];

/// What an installer gets of a worker's environment. Credentials for indexes are among it, those for data are not.
pub(crate) fn variables(
    of_worker: impl IntoIterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    of_worker.into_iter().filter(|(name, _)| {
        name.to_str().is_some_and(|name| {
            let is_own = (name.starts_with("PIP_") || name.starts_with("UV_")) && !ELSEWHERE.contains(&name);
            is_own || NETWORK.contains(&name) || PASSED_ON.contains(&name)
        })
    })
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn base(has_pip: bool) -> Base {
        let (executable, real) = ("/usr/bin/python3".into(), "/usr/bin/python3.11".into());
        Base { version: "3".into(), executable, real, has_pip, platform: "linux".into() }
    }

    #[test]
    fn uv_is_taken_where_it_is_in_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::join_paths([Path::new("/none"), folder.path()]).unwrap();
        let uv = folder.path().join("uv");
        assert_eq!(Installer::of(Some(&path), &base(true)), Some(Installer::Pip));
        std::fs::write(&uv, "").unwrap();
        assert_eq!(Installer::of(Some(&path), &base(false)), None, "it is no program");
        std::fs::set_permissions(&uv, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(Installer::of(Some(&path), &base(true)), Some(Installer::Uv(uv)));
        assert_eq!(Installer::of(None, &base(true)), Some(Installer::Pip));
    }

    #[test]
    fn both_are_told_the_same() {
        let requirements = |wheels: Option<&str>, index: Option<&str>| Requirements {
            text: String::new(),
            file: None,
            wheels: wheels.map(str::to_owned),
            wheel_files: Vec::new(),
            index_url: index.map(str::to_owned),
        };
        let lines = |installer: &Installer, requirements: &Requirements| {
            let commands = installer.commands(&base(true), Path::new("/e"), Path::new("/r.txt"), requirements);
            commands.map(|command| command.line.join(OsStr::new(" ")).into_string().unwrap())
        };
        let uv = Installer::Uv("/bin/uv".into());
        assert_eq!(
            lines(&uv, &requirements(None, None)),
            [
                "/bin/uv venv --python /usr/bin/python3 --no-python-downloads /e",
                "/bin/uv pip install --compile-bytecode --python /e/bin/python -r /r.txt"
            ]
        );
        let [make, install] = lines(&Installer::Pip, &requirements(None, None));
        assert_eq!(make, "/usr/bin/python3 -m venv /e");
        assert!(install.starts_with("/e/bin/python -m pip install --no-input") && install.ends_with(" -r /r.txt"));
        for installer in [uv, Installer::Pip] {
            assert!(lines(&installer, &requirements(Some("/w"), None))[1].ends_with("--no-index --find-links /w"));
            assert!(lines(&installer, &requirements(None, Some("https://i")))[1].ends_with("--index-url https://i"));
        }
    }

    #[test]
    fn installers_get_what_they_read_and_no_credentials_for_data() {
        let of_worker = [
            "PATH",
            "PIP_INDEX_URL",
            "UV_INDEX_URL",
            "https_proxy",
            "SSL_CERT_FILE",
            "PIP_TARGET",
            "UV_PYTHON",
            "AWS_SECRET_ACCESS_KEY",
            "SHOAL_TOKEN_FILE",
            "PYTHONPATH",
            "AZURE_STORAGE_KEY",
            "PIPE",
        ];
        let of_worker = of_worker.map(|name| (OsString::from(name), OsString::from("x")));
        let given: Vec<OsString> = variables(of_worker).map(|(name, _)| name).collect();
        assert_eq!(given, ["PATH", "PIP_INDEX_URL", "UV_INDEX_URL", "https_proxy", "SSL_CERT_FILE"]);
    }
}
