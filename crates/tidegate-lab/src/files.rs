//! Files a run writes: proven writable before it starts, put in place whole at its end, never left half done.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::faults::Fault;

/// A file to be written at the end. Dropped without [`write`](Self::write), it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct OutFile {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    /// A hidden file beside the target, renamed over it at the end.
    Beside(NamedTempFile),
    /// A device or a pipe, which cannot be replaced.
    Stream(File),
}

impl OutFile {
    /// The file that was asked for with an option of that name, if one was.
    pub(crate) fn asked(field: &'static str, path: Option<&Path>) -> Result<Option<Self>, Fault> {
        path.map(|path| Self::prepare(field, path)).transpose()
    }

    /// Proves that `path` can be written, without changing what is there.
    pub(crate) fn prepare(field: &'static str, path: &Path) -> Result<Self, Fault> {
        let fault = |err: io::Error| {
            // The text of the error itself may name our temporary file.
            let reason = err.kind();
            Fault::new(field, path.display(), format_args!("a path of a file that can be written ({reason})"))
        };
        // Through a symbolic link, not over it.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let sink = match path.metadata() {
            Ok(meta) if meta.is_dir() => return Err(fault(io::ErrorKind::IsADirectory.into())),
            Ok(meta) if !meta.is_file() => {
                Sink::Stream(OpenOptions::new().write(true).open(path).map_err(fault)?)
            }
            Ok(_) => {
                // Renaming over a file works where writing to it is forbidden; that is not ours to decide.
                OpenOptions::new().append(true).open(path).map_err(fault)?;
                Sink::Beside(beside(path).map_err(fault)?)
            }
            Err(_) if path.file_name().is_none() => {
                return Err(fault(io::ErrorKind::InvalidInput.into()));
            }
            Err(_) => Sink::Beside(beside(path).map_err(fault)?),
        };
        Ok(Self { path: path.to_owned(), sink })
    }

    /// Writes the content and puts the file in place.
    ///
    /// # Errors
    ///
    /// What the operating system says, the path named; the target is then as it was before.
    pub(crate) fn write(self, content: &str) -> io::Result<()> {
        let path = self.path;
        let written = match self.sink {
            Sink::Stream(mut file) => file.write_all(content.as_bytes()),
            Sink::Beside(mut file) => file
                .write_all(content.as_bytes())
                .and_then(|()| file.persist(&path).map(drop).map_err(|err| err.error)),
        };
        written.map_err(|err| io::Error::new(err.kind(), format!("cannot write {}: {err}", path.display())))
    }
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tidegate-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The umask takes away what the user does not want; a temporary file would else be private for ever.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_appears_whole_and_only_when_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let file = OutFile::prepare("json", &path).unwrap();
        assert!(!path.exists());
        file.write("{}").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unwritten_file_leaves_nothing_and_spares_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        fs::write(&path, "old").unwrap();
        drop(OutFile::prepare("json", &path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn paths_that_cannot_be_written_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing/run.json"), PathBuf::from("")] {
            let line = OutFile::prepare("report", &path).unwrap_err().to_string();
            assert!(line.starts_with(&format!("report is {}", path.display())), "{line}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
