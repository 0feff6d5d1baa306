//! Where environments of users' functions are kept: beyond the life of a worker, as they take long to build.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

/// Environments in a folder of scratch that somebody names; no worker's own folder is called that.
const IN_SCRATCH: &str = ".environments";

/// Where they are kept.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EnvironmentsArgs {
    /// Folder of the environments that Python functions are installed into, kept for later jobs
    /// [default: `.environments` in the scratch folder if one is named, else `shoal/environments` in the user's cache].
    #[arg(long, value_name = "DIR", env = "SHOAL_ENVIRONMENTS")]
    pub(crate) environments: Option<PathBuf>,
}

impl EnvironmentsArgs {
    /// The folder, for a worker whose scratch folder is that one, which somebody may have named.
    pub(crate) fn folder(&self, named_scratch: Option<&Path>, scratch: &Path) -> PathBuf {
        self.folder_with(named_scratch, scratch, |name| std::env::var_os(name))
    }

    fn folder_with(
        &self,
        named_scratch: Option<&Path>,
        scratch: &Path,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> PathBuf {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = || absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        (self.environments.clone())
            .or_else(|| Some(named_scratch?.join(IN_SCRATCH)))
            .or_else(|| Some(cache()?.join("shoal/environments")))
            .unwrap_or_else(|| scratch.join(IN_SCRATCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_comes_first_and_then_what_lives_longest() {
        let folder = |named: Option<&str>, scratch: Option<&str>, variables: &[(&str, &str)]| {
            let args = EnvironmentsArgs { environments: named.map(PathBuf::from) };
            let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, it)| it.into());
            let path = args.folder_with(scratch.map(Path::new), Path::new(scratch.unwrap_or("/tmp/x")), variable);
            path.display().to_string()
        };
        let home = [("HOME", "/home/me")];
        assert_eq!(folder(Some("/e"), Some("/s"), &home), "/e");
        assert_eq!(folder(None, Some("/s"), &home), "/s/.environments");
        assert_eq!(folder(None, None, &home), "/home/me/.cache/shoal/environments");
        assert_eq!(folder(None, None, &[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), "/c/shoal/environments");
        assert_eq!(folder(None, None, &[("HOME", "/h"), ("XDG_CACHE_HOME", "")]), "/h/.cache/shoal/environments");
        assert_eq!(folder(None, None, &[]), "/tmp/x/.environments");
    }
}
