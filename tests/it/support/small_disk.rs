//! A disk that can be full: a small file system in memory, where this machine lets one be mounted.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::left_out::left_out;

/// A mounted file system. Dropped = unmounted.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Over the directory `at`, with so many bytes; nothing where none can be mounted, which is noted as left out.
    pub fn mount(what: &str, at: &Path, bytes: u64) -> Option<Self> {
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], at);
        if !mounted {
            left_out(what, "a small file system cannot be mounted");
        }
        mounted.then(|| Self { at: at.to_path_buf() })
    }

    /// Gives it another size.
    pub fn resize(&self, bytes: u64) {
        assert!(mount(&["-o", &format!("remount,size={bytes}")], &self.at), "it is given {bytes} bytes");
    }

    /// Fills what is left with a file of zeros.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        let block = [0; 4096];
        while ballast.write_all(&block).is_ok() {}
    }

    /// Removes that file again.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("removed");
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let done = Command::new("mount").args(arguments).arg(at).output();
    done.is_ok_and(|done| done.status.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}
