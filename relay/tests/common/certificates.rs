//! A CA that lives as long as a test, and directories as Secrets are mounted.

use nostr_fleet_relay::client::{Dialer, Trust};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Signs certificates for tests.
pub struct Ca {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a `kubernetes.io/tls` Secret holds.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Ca {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.crt"), issuer.pem()).unwrap();
        Self { dir, issuer }
    }

    /// The file for `--ca`.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// For the names and addresses by which tests reach a relay.
    pub fn pair(&self) -> Pair {
        self.pair_for(&["localhost", "127.0.0.1"], 2100)
    }

    /// For these names, until the start of a year.
    pub fn pair_for(&self, names: &[&str], until: i32) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: leaf.pem() + &self.issuer.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Its own certificate, which is no relay's.
    pub fn own(&self) -> Pair {
        Pair {
            certificate: self.issuer.pem(),
            key: self.issuer.key().serialize_pem(),
        }
    }

    pub fn trust(&self) -> Trust {
        Trust {
            ca: Some(self.file()),
        }
    }

    /// Dials `address` and believes only this CA.
    pub fn dialer(&self, address: SocketAddr) -> Dialer {
        let url = format!("wss://{address}").parse().unwrap();
        Dialer::new(&url, &self.trust()).unwrap()
    }
}

impl Pair {
    /// Plain files.
    pub fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("tls.crt"), &self.certificate).unwrap();
        fs::write(dir.join("tls.key"), &self.key).unwrap();
    }

    /// As the kubelet does: a new directory, then one swap of `..data`.
    pub fn mount(&self, dir: &Path, generation: &str) {
        let name = format!("..{generation}");
        self.write(&dir.join(&name));
        let link = dir.join("..data_tmp");
        symlink(&name, &link).unwrap();
        fs::rename(&link, dir.join("..data")).unwrap();
        for file in ["tls.crt", "tls.key"] {
            let _ = symlink(Path::new("..data").join(file), dir.join(file)); // there already after the first time
        }
    }
}
