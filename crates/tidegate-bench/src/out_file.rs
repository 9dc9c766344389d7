//! The file a run writes: proven writable before the run, put in place whole at its end.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file to be written at the end. Dropped without [`write`](Self::write), it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct OutFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl OutFile {
    /// Proves that `path` can be written, without changing what is there.
    pub(crate) fn prepare(path: &Path) -> Result<Self, Failure> {
        let fault = |kind: io::ErrorKind| {
            let shown = path.display();
            Failure::input(format_args!(
                "json is {shown}, allowed is a path of a file that can be written ({kind})"
            ))
        };
        if path.file_name().is_none() || path.is_dir() {
            return Err(fault(io::ErrorKind::IsADirectory));
        }
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The umask takes away what the user does not want; a temporary file would else be private for ever.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.prefix(".tidegate-").tempfile_in(folder).map_err(|err| fault(err.kind()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub(crate) fn write(mut self, content: &str) -> Result<(), Failure> {
        self.file
            .write_all(content.as_bytes())
            .and_then(|()| self.file.persist(&self.path).map(drop).map_err(|err| err.error))
            .map_err(|err| Failure::work(format_args!("cannot write {}: {err}", self.path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_and_only_when_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.json");
        drop(OutFile::prepare(&path).unwrap());
        let file = OutFile::prepare(&path).unwrap();
        assert!(!path.exists());
        file.write("{}").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing/rows.json"), PathBuf::new()] {
            let line = OutFile::prepare(&path).unwrap_err().to_string();
            assert!(line.starts_with(&format!("error: json is {}", path.display())), "{line}");
        }
    }
}
