//! Files a run writes: proven writable before it starts, put in place whole at its end, never left half done.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::faults::{Fault, Faults};

/// A file to be written at the end. Dropped without [`write`](Self::write), it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct OutFile {
    field: &'static str,
    /// As it was typed.
    given: PathBuf,
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
        let given = path.to_owned();
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
        Ok(Self { field, given, path: path.to_owned(), sink })
    }

    /// Refuses files that are the same: the one written last would be all that is left.
    pub(crate) fn check_distinct<'a>(files: impl IntoIterator<Item = &'a Option<Self>>, faults: &mut Faults) {
        let mut seen: Vec<(&Self, PathBuf)> = Vec::new();
        for file in files.into_iter().flatten() {
            // To a device or a pipe everything goes that is written, whatever was written before.
            if let Sink::Stream(_) = file.sink {
                continue;
            }
            let place = place(&file.path);
            let first = seen.iter().find(|(_, taken)| *taken == place);
            if let Some((first, _)) = first {
                let allowed = format_args!("a file other than that of {}", first.field);
                faults.require(false, file.field, file.given.display(), allowed);
            }
            seen.push((file, place));
        }
    }

    /// Whether this is the file at `path`, which there is.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|path| place(&self.path) == path)
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

/// Where the file is or will be, by whatever way it was named.
fn place(path: &Path) -> PathBuf {
    let folder = folder(path).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tidegate-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The umask takes away what the user does not want; a temporary file would else be private for ever.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder(path))
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
    fn one_file_is_not_two_however_it_is_named() {
        let home = tempfile::tempdir().unwrap();
        let prepare = |field, name: &str| OutFile::prepare(field, &home.path().join(name)).map(Some).unwrap();
        let check = |names: [&str; 3]| {
            let mut faults = Faults::default();
            let files = [prepare("json", names[0]), prepare("report", names[1]), prepare("trace", names[2])];
            OutFile::check_distinct(&files, &mut faults);
            faults.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        fs::create_dir(home.path().join("sub")).unwrap();
        assert!(check(["a", "b", "sub/a"]).is_empty());
        assert!(check(["/dev/null", "/dev/null", "a"]).is_empty());
        let twice = check(["a", "sub/../a", "b"]);
        assert_eq!(twice.len(), 1);
        assert!(twice[0].starts_with("report is ") && twice[0].ends_with("a file other than that of json"));
        assert_eq!(check(["a", "b", "b"]).len(), 1);
        assert!(!prepare("json", "sub/../a").unwrap().is_at(&home.path().join("a")));
        fs::write(home.path().join("a"), "").unwrap();
        assert!(prepare("json", "sub/../a").unwrap().is_at(&home.path().join("a")));
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
