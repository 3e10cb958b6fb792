//! bitcoind from Debian's archive, verified by apt's own signatures, unpacked beside the system.
//!
//! apt runs with a private configuration (own sources, lists, cache and status), so that it needs no privilege and
//! changes nothing of the system. It resolves the whole closure of the package in one suite, C library included, and
//! the binaries are started through that library's own loader: the system's libraries may be of any age.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{capture, on_path};

/// The package that holds `bitcoind` and `bitcoin-cli`, and the suite that has it.
const PACKAGE: &str = "bitcoin-knots";
const SUITE: &str = "sid";

/// What we start from the package.
const PROGRAMS: [&str; 2] = ["bitcoind", "bitcoin-cli"];

/// Names the archive when the system's own apt sources do not.
const MIRROR_VARIABLE: &str = "ASTRAPE_DEBIAN_MIRROR";

/// The keys that sign Debian's archive, as the package `debian-archive-keyring` installs them.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// Downloads, verifies and unpacks bitcoind, and leaves wrappers that start it as `home/bitcoind`, `home/bitcoin-cli`.
///
/// # Errors
/// When this is not a Debian-like system with apt, or the archive cannot be reached, or its signature does not hold.
pub(super) fn obtain(home: &Path) -> Result<()> {
    for tool in ["apt-get", "dpkg-deb"] {
        if on_path(tool).is_none() {
            bail!("it can be obtained from Debian's archive only where `{tool}` is");
        }
    }
    let keyring = KEYRINGS
        .into_iter()
        .find(|path| Path::new(path).is_file())
        .context("Debian's archive keys are not installed (package debian-archive-keyring)")?;
    let mirrors = mirrors()?;

    // All work happens in a directory of its own, renamed at the end: a cache is whole or absent.
    let work = home.with_extension(format!("partial-{}", std::process::id()));
    let done = build(&work, home, &mirrors, keyring);
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    }
    // Another run may have been faster: its result is as good.
    if home.join(PROGRAMS[0]).is_file() { Ok(()) } else { done }
}

/// Fetches from the first mirror that serves, unpacks in `work` and renames it to `home`.
fn build(work: &Path, home: &Path, mirrors: &[String], keyring: &str) -> Result<()> {
    let mut packages = Err(anyhow::anyhow!("there is no archive to try"));
    for mirror in mirrors {
        packages = fetch(&work.join("apt"), mirror, keyring);
        if packages.is_ok() {
            break;
        }
    }
    let packages = packages?;
    unpack(work, &packages)?;
    fs::remove_dir_all(work.join("apt"))?;
    fs::rename(work, home).with_context(|| format!("cannot create {}", home.display()))
}

/// Has apt download and verify the package with all it depends on; returns the files.
fn fetch(dir: &Path, mirror: &str, keyring: &str) -> Result<Vec<PathBuf>> {
    eprintln!("obtaining {PACKAGE} from Debian {SUITE} (about 30 MB of packages, once) ...");
    let archives = dir.join("cache/archives");
    for sub in ["empty", "state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(dir.join(sub)).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    // With an empty status file apt believes that nothing is installed, and so resolves everything.
    fs::write(dir.join("state/status"), "")?;
    fs::write(dir.join("sources.list"), format!("deb [signed-by={keyring}] {mirror} {SUITE} main\n"))?;
    fs::write(dir.join("apt.conf"), configuration(dir))?;
    let apt = |args: &[&str]| capture(Command::new("apt-get").arg("-c").arg(dir.join("apt.conf")).args(args));
    apt(&["update", "--error-on=any"]).context("cannot read the archive")?;
    apt(&["install", "--yes", "--download-only", "--no-install-recommends", PACKAGE])
        .context("cannot download the packages")?;
    let mut packages = Vec::new();
    for entry in fs::read_dir(&archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            packages.push(path);
        }
    }
    Ok(packages)
}

/// apt's private configuration. Read after the system's, whose proxies and credentials it keeps.
fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "{dir}/empty";
Dir::Etc::preferences "{dir}/empty/none";
Dir::Etc::preferencesparts "{dir}/empty";
Dir::State "{dir}/state";
Dir::State::status "{dir}/state/status";
Dir::Cache "{dir}/cache";
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Retries "3";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#
    )
}

/// Unpacks the packages under `work/root` and writes a wrapper for each program.
fn unpack(work: &Path, packages: &[PathBuf]) -> Result<()> {
    let root = work.join("root");
    fs::create_dir_all(&root)?;
    for package in packages {
        capture(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root))?;
    }
    let libraries = library_dirs(&root)?;
    let loader = libraries
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux")))
        .context("the C library's package holds no loader")?;
    for program in PROGRAMS {
        let wrapper = work.join(program);
        fs::write(&wrapper, wrapper_script(&root, &libraries, &loader, program)?)?;
        make_executable(&wrapper)?;
    }
    Ok(())
}

/// `usr/lib/<triplet>`, and `lib/<triplet>` where a package still uses it.
fn library_dirs(root: &Path) -> Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    for parent in ["usr/lib", "lib"].map(|parent| root.join(parent)) {
        let Ok(entries) = fs::read_dir(&parent) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && path.to_string_lossy().contains("-linux-gnu") {
                dirs.push(path);
            }
        }
    }
    Ok(dirs)
}

/// A shell script that replaces itself by the program: its process id is bitcoind's, signals reach it.
fn wrapper_script(root: &Path, libraries: &[PathBuf], loader: &Path, program: &str) -> Result<String> {
    let relative = |path: &Path| -> Result<String> {
        Ok(format!("$here/root/{}", path.strip_prefix(root).context("outside the root")?.display()))
    };
    let mut search = String::new();
    for dir in libraries {
        let colon = if search.is_empty() { "" } else { ":" };
        write!(search, "{colon}{}", relative(dir)?)?;
    }
    let loader = relative(loader)?;
    Ok(format!(
        "#!/bin/sh\n# Starts Debian's {program} with the C library it was built for.\n\
         here=$(dirname \"$(readlink -f \"$0\")\")\n\
         exec \"{loader}\" --library-path \"{search}\" --argv0 {program} \"$here/root/usr/bin/{program}\" \"$@\"\n"
    ))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    bail!("Debian's programs do not run on this system")
}

/// The archives to try: the one named by the environment, else those this system itself is installed from.
fn mirrors() -> Result<Vec<String>> {
    if let Some(named) = std::env::var(MIRROR_VARIABLE).ok().filter(|named| !named.is_empty()) {
        return Ok(vec![named]);
    }
    let mut found = Vec::new();
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("list") => found.extend(one_line_sources(&text)),
            Some("sources") => found.extend(deb822_sources(&text)),
            _ => {}
        }
    }
    found.sort();
    found.dedup();
    // A wrong guess costs time only: what Debian's keys did not sign is refused.
    found.retain(|uri| uri.contains("debian") && !uri.contains("security"));
    found.sort_by_key(|uri| !uri.trim_end_matches('/').ends_with("/debian"));
    if found.is_empty() {
        bail!(
            "this system's apt sources name no Debian archive; set {MIRROR_VARIABLE} to the URL of one \
             (the directory that holds `dists/` and `pool/`)"
        );
    }
    Ok(found)
}

/// The URIs of `deb [options] URI suite component...` lines with the component `main`.
fn one_line_sources(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else { continue };
        let rest = rest.trim_start();
        let rest =
            if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, after)| after) } else { rest };
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(_suite)) = (words.next(), words.next())
            && words.any(|component| component == "main")
        {
            found.push(uri.to_owned());
        }
    }
    found
}

/// The URIs of enabled `Types: deb` stanzas with the component `main`.
fn deb822_sources(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            let line = stanza.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let has = |name: &str, word: &str| {
            field(name).is_some_and(|value| value.split_whitespace().any(|w| w == word))
        };
        if has("types:", "deb") && has("components:", "main") && !has("enabled:", "no") {
            found.extend(field("uris:").unwrap_or_default().split_whitespace().map(str::to_owned));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_apt_sources_are_read() {
        let lines = "# deb http://off.example/debian sid main\n\
            deb [arch=amd64 signed-by=/k] http://on.example/debian trixie main contrib\n\
            deb-src http://src.example/debian trixie main\ndeb http://other.example/x y z\n";
        assert_eq!(one_line_sources(lines), ["http://on.example/debian"]);
        let stanzas = "Types: deb\nURIs: http://a.example/debian http://b.example/debian\nSuites: trixie\n\
            Components: main\n\nTypes: deb\nEnabled: no\nURIs: http://c.example\nComponents: main\n\n\
            Types: deb-src\nURIs: http://d.example\nComponents: main\n";
        assert_eq!(deb822_sources(stanzas), ["http://a.example/debian", "http://b.example/debian"]);
    }

    #[test]
    fn the_wrapper_names_nothing_outside_its_own_directory() {
        let root = Path::new("/somewhere/root");
        let lib = root.join("usr/lib/x86_64-linux-gnu");
        let script = wrapper_script(root, std::slice::from_ref(&lib), &lib.join("ld-linux.so.2"), "bitcoind")
            .expect("inside");
        assert!(script.contains("exec \"$here/root/usr/lib/x86_64-linux-gnu/ld-linux.so.2\""));
        assert!(!script.contains("/somewhere"));
    }
}
