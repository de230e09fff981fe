use naru_broker::UserSource;

use super::*;
use crate::broker::settings::Bind;

/// Reads files of a folder of the test's own; `main.conf` first.
fn read(files: &[(&str, &str)]) -> anyhow::Result<Configuration> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let text = text.replace("FOLDER", folder.path().to_str().unwrap());
        fs::write(folder.path().join(name), text).unwrap();
    }
    Configuration::read(&folder.path().join("main.conf"))
}

fn settings(text: &str) -> Settings {
    read(&[("main.conf", text)]).unwrap().settings
}

fn complaint(text: &str) -> String {
    format!("{:#}", read(&[("main.conf", text)]).err().unwrap())
}

#[test]
fn parameters_mean_what_they_mean_to_redis() {
    let settings = settings(
        "# a comment\n\nbind 127.0.0.1 -::1\r\nPort 7000\nunixsocket '/run/my naru.sock'\nunixsocketperm 770\n\
         requirepass \"a\\x20b\"\ndir /var/lib/redis\nio-threads 3\nloglevel verbose\nprotected-mode yes\n\
         tls-port 7001\ntls-cert-file c\ntls-key-file k\ntls-ca-cert-file a\ntls-auth-clients optional\n",
    );
    let bind = |text: &str| text.parse::<Bind>().unwrap();
    assert_eq!(settings.bind, [bind("127.0.0.1"), bind("-::1")]);
    assert_eq!((settings.port, settings.tls.tls_port), (Some(7000), Some(7001)));
    assert_eq!(settings.unixsocket.as_deref(), Some(Path::new("/run/my naru.sock")));
    assert_eq!(settings.unixsocketperm, Some(0o770));
    assert_eq!(settings.requirepass.as_deref(), Some("a b"));
    assert_eq!(settings.data.as_deref(), Some(Path::new("/var/lib/redis/naru-data")));
    assert!(!settings.memory);
    assert_eq!((settings.cores, settings.log), (Some(3), Some("info")));
    assert_eq!(settings.tls.tls_auth_clients, Some(AuthClients::Optional));
    assert!(settings.tls.port().unwrap().is_some());
}

#[test]
fn users_add_up_and_say_where_they_stand() {
    let settings = settings(
        "acl-pubsub-default allchannels\nacllog-max-len 5\nuser alice on >\"a b\" +ping\nuser bob ( +xlen ~x )\n",
    );
    let options = settings.acl.options().unwrap();
    assert_eq!((options.all_channels, options.log_len_max), (true, Some(5)));
    let UserSource::Lines(users) = options.users else { panic!("there are no users") };
    assert!(users[0].place.ends_with("main.conf:3") && users[1].place.ends_with("main.conf:4"));
    assert_eq!(users[0].words, ["alice", "on", ">a b", "+ping"]);
    assert_eq!(users[1].words, ["bob", "(", "+xlen", "~x", ")"]);
}

#[test]
fn users_stand_in_the_configuration_or_in_a_file_but_not_in_both() {
    let file = settings("aclfile /etc/naru/users.acl").acl.options().unwrap();
    assert!(matches!(file.users, UserSource::File(path) if path == Path::new("/etc/naru/users.acl")));
    let both = settings("user alice on\naclfile /etc/naru/users.acl").acl.options().unwrap_err().to_string();
    assert!(both.contains("main.conf:1") && both.contains("ACL file"), "{both}");
    assert!(matches!(settings("").acl.options().unwrap().users, UserSource::Nowhere));
}

#[test]
fn the_last_line_wins_also_across_included_files() {
    assert_eq!(settings("port 1\nport 2\n").port, Some(2));
    assert!(!settings("appendonly no\nappendonly yes").memory);
    assert_eq!(settings("requirepass x\nrequirepass \"\"").requirepass, None);
    let with =
        |main| read(&[("main.conf", main), ("a.conf", "port 5"), ("b.conf", "port 6\nbind ::1")]).unwrap();
    assert_eq!(with("port 1\ninclude FOLDER/a.conf\n").settings.port, Some(5));
    assert_eq!(with("include FOLDER/a.conf\nport 1\n").settings.port, Some(1));
    assert_eq!(with("include FOLDER/[ab].conf\n").settings.port, Some(6));
    assert_eq!(with("port 1\ninclude FOLDER/no*.conf\n").settings.port, Some(1));
}

#[test]
fn what_does_not_exist_here_is_passed_over_and_remembered() {
    let read = read(&[(
        "main.conf",
        "save 3600 1\nsave \"\"\nmaxmemory 1gb\nprotected-mode no\nsearch-timeout 5\njson.x 1\nrdma-port 1\n",
    )]);
    let read = read.unwrap();
    assert_eq!(
        read.passed_over.iter().collect::<Vec<_>>(),
        ["json.x", "maxmemory", "rdma-port", "save", "search-timeout"]
    );
}

#[test]
fn a_name_that_nobody_knows_is_refused_with_its_line() {
    for (text, expected) in [
        ("port 1\nprt 2", "main.conf:2: prt is no parameter, of Redis or of Naru: did you mean port?"),
        (
            "requirepas secret",
            "main.conf:1: requirepas is no parameter, of Redis or of Naru: did you mean requirepass?",
        ),
        (
            "protected-mod yes",
            "main.conf:1: protected-mod is no parameter, of Redis or of Naru: did you mean protected-mode?",
        ),
        ("\nusr alice on", "main.conf:2: usr is no parameter, of Redis or of Naru: did you mean user?"),
        (
            "incldue a.conf",
            "main.conf:1: incldue is no parameter, of Redis or of Naru: did you mean include?",
        ),
        ("nonsense 1", "main.conf:1: nonsense is no parameter, of Redis or of Naru"),
    ] {
        let said = complaint(text);
        assert!(said.starts_with("--config: ") && said.ends_with(expected), "{text}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_broken_line_is_named_and_its_password_is_not() {
    for (text, expected) in [
        ("port 1\nport x", "main.conf:2: port: "),
        ("port", "main.conf:1: port: it takes one value, not 0"),
        ("port 1 2", "main.conf:1: port: it takes one value, not 2"),
        ("port 70000", "main.conf:1: port: "),
        ("bind nowhere", "main.conf:1: bind: \"nowhere\" is no address"),
        ("appendonly maybe", "main.conf:1: appendonly: it takes yes or no"),
        ("unixsocketperm 999", "main.conf:1: unixsocketperm: "),
        ("io-threads 0", "main.conf:1: io-threads: "),
        ("loglevel loud", "main.conf:1: loglevel: "),
        ("acl-pubsub-default x", "main.conf:1: acl-pubsub-default: it takes allchannels or resetchannels"),
        ("acllog-max-len -1", "main.conf:1: acllog-max-len: "),
        ("tls-auth-clients maybe", "main.conf:1: tls-auth-clients: "),
        ("\n\nrequirepass \"secret", "main.conf:3: quotes"),
        ("requirepass secret secret", "main.conf:1: requirepass: "),
        ("include FOLDER/missing.conf", "main.conf:1: include: "),
        ("include FOLDER/main.conf", "too many files include each other"),
    ] {
        let said = complaint(text);
        assert!(said.starts_with("--config: ") && said.contains(expected), "{text}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let missing = format!("{:#}", Configuration::read(Path::new("no/such.conf")).err().unwrap());
    assert!(missing.contains("no/such.conf cannot be read: No such file"), "{missing}");
}

#[test]
fn every_parameter_has_one_meaning() {
    assert!(PARAMETERS.iter().all(|(name, _)| REDIS_ONLY.binary_search(name).is_err()));
}
