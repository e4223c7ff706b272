//! A power cut that is one: the data lie on an ext4 image on a loop device, the image on a file system with reflinks; a
//! snapshot of the image taken while writes run holds what the disk held then, and nothing of the page cache above it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Room for the images; sparse.
const HOST_BYTES: &str = "24G";
const INNER_BYTES: &str = "1G";

/// The file systems one inside the other; unmounted with the value.
pub struct Rig {
    folder: PathBuf,
    mounted: Vec<PathBuf>,
    snapshots: usize,
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}` failed: {}", arguments.join(" "), errors.trim()))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Rig {
    /// Makes it in `folder`; the error says why it cannot be made here.
    pub fn make(folder: &Path) -> Result<Rig, String> {
        let mut rig = Rig {
            folder: folder.to_owned(),
            mounted: Vec::new(),
            snapshots: 0,
        };
        let host_image = text(&folder.join("host.img"));
        run("truncate", &["-s", HOST_BYTES, &host_image])?;
        run("mkfs.xfs", &["-q", "-m", "reflink=1", &host_image])?;
        rig.mount(&host_image, "host")?;
        let inner_image = text(&rig.image());
        run("truncate", &["-s", INNER_BYTES, &inner_image])?;
        run("mkfs.ext4", &["-q", "-F", &inner_image])?;
        rig.mount(&inner_image, "inner")?;
        Ok(rig)
    }

    fn image(&self) -> PathBuf {
        self.folder.join("host/inner.img")
    }

    /// Where the server under test keeps its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("inner")
    }

    fn mount(&mut self, image: &str, name: &str) -> Result<PathBuf, String> {
        let at = self.folder.join(name);
        std::fs::create_dir_all(&at).map_err(|error| format!("`{}`: {error}", at.display()))?;
        run("mount", &["-o", "loop", image, &text(&at)])?;
        self.mounted.push(at.clone());
        Ok(at)
    }

    /// What the disk holds now, as an image of its own.
    pub fn cut(&mut self) -> Result<PathBuf, String> {
        self.snapshots += 1;
        let copy = self.folder.join(format!("host/cut-{}.img", self.snapshots));
        run("cp", &["--reflink=always", &text(&self.image()), &text(&copy)])?;
        Ok(copy)
    }

    /// Mounts an image as the machine would after the power came back, lets `look` at it, and throws it away.
    pub fn after<T>(&mut self, image: &Path, look: impl FnOnce(&Path) -> T) -> Result<T, String> {
        let at = self.mount(&text(image), "after")?;
        let seen = look(&at);
        self.unmount_last()?;
        std::fs::remove_file(image).map_err(|error| format!("`{}`: {error}", image.display()))?;
        Ok(seen)
    }

    fn unmount_last(&mut self) -> Result<(), String> {
        match self.mounted.pop() {
            Some(at) => run("umount", &[&text(&at)]),
            None => Ok(()),
        }
    }

    /// Fills the inner file system to the last byte; removing the file makes room again.
    pub fn fill(&self) -> PathBuf {
        let path = self.data().join("filler");
        let mut bytes = 64 << 20;
        let file = std::fs::File::create(&path).expect("the filler can be made");
        let mut at = 0;
        while bytes >= 4096 {
            if std::os::unix::fs::FileExt::write_all_at(&file, &vec![1; bytes], at).is_ok() {
                at += bytes as u64;
            } else {
                bytes /= 2;
            }
        }
        path
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        while !self.mounted.is_empty() {
            if let Err(error) = self.unmount_last() {
                eprintln!("{error}");
            }
        }
    }
}
