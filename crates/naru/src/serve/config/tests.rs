use super::*;

fn told(text: &str) -> String {
    read(text, "naru.toml", std::iter::empty()).map(drop).unwrap_err()
}

fn said(name: &str, value: &str) -> impl Iterator<Item = (String, String)> {
    std::iter::once((name.to_owned(), value.to_owned()))
}

/// The keys of a section, as it says itself when it is given one it does not know.
fn keys(section: &str) -> Vec<String> {
    let text =
        if section.is_empty() { "zzzzzzzzzzzz = 1".into() } else { format!("{section}\nzzzzzzzzzzzz = 1") };
    let told = told(&text);
    let (_, keys) = told.split_once("what there is: ").unwrap_or_else(|| panic!("{told}"));
    keys.split(", ").map(str::to_owned).collect()
}

/// All sections that have keys of their own.
const SECTIONS: [&str; 29] = [
    "",
    "[server]",
    "[broker]",
    "[token]",
    "[[token.keys]]",
    "[subscription_token]",
    "[limits]",
    "[metrics]",
    "[inbox]",
    "[rooms]",
    "[channel]",
    "[channel.subscribe_to_user_personal_channel]",
    "[channel.without_namespace]",
    "[[channel.namespaces]]",
    "[http_api]",
    "[[http_api.keys]]",
    "[client]",
    "[client.proxy]",
    "[client.proxy.connect]",
    "[client.proxy.connect.http]",
    "[[client.proxy.connect.http.status_to_code_transforms]]",
    "[client.proxy.refresh]",
    "[channel.proxy]",
    "[channel.proxy.subscribe]",
    "[[proxies]]",
    "[outbound]",
    "[rpc]",
    "[rpc.without_namespace]",
    "[[rpc.namespaces]]",
];

#[test]
fn a_fault_names_file_line_key_and_what_to_write() {
    for (text, expected) in [
        (
            "\n[channel]\nhistroy_meta_ttl = 1",
            "naru.toml:3: channel.histroy_meta_ttl is no setting: did you mean history_meta_ttl?",
        ),
        ("[chanel]\n", "naru.toml:1: chanel is no setting: did you mean channel?"),
        (
            "[[channel.namespaces]]\nname = \"ns\"\n\n[[channel.namespaces]]\nname = \"chat\"\nhistory_szie = 1",
            "naru.toml:6: channel.namespaces[2].history_szie is no setting: did you mean history_size?",
        ),
        (
            "[server]\nport = \"8000\"",
            "naru.toml:2: server.port: it takes a whole number from 0 to 65535, not a text",
        ),
        ("[server]\nport = 70000", "naru.toml:2: server.port: it takes a whole number from 0 to 65535"),
        ("[server]\ncores = 0", "naru.toml:2: server.cores: it takes a whole number from 1 to 256"),
        ("[server]\norigins = \"*\"", "naru.toml:2: server.origins: it takes a list in brackets, not a text"),
        (
            "[server]\norigins = [1]",
            "naru.toml:2: server.origins[1]: it takes a text in quotes, not a number",
        ),
        (
            "[server]\nbind = \"nowhere\"",
            "naru.toml:2: server.bind: it takes an IP address, such as \"127.0.0.1\" or \"::1\"",
        ),
        (
            "[metrics]\naddress = \"here\"",
            "naru.toml:2: metrics.address: it takes an IP address and a port up to 65535, such as \"127.0.0.1:9100\" or \"[::1]:9100\"",
        ),
        (
            "[server]\norigins = [\"*\", \"app.example\"]",
            "naru.toml:2: server.origins: it takes origins as browsers say them, such as \"https://app.example.com\", \
             without a path or a pattern, or \"*\" for all",
        ),
        ("server = 1", "naru.toml:1: server: it takes a table, not a number"),
        (
            "[token]\nhmac_secret_key = 7",
            "naru.toml:2: token.hmac_secret_key: it takes a text in quotes, not a number",
        ),
        (
            "[channel.without_namespace]\npresence = \"yes\"",
            "naru.toml:2: channel.without_namespace.presence: it takes true or false, not a text",
        ),
        (
            "[channel]\nhistory_meta_ttl = 5",
            "naru.toml:2: channel.history_meta_ttl: it takes a text in quotes, not a number",
        ),
        (
            "[channel]\nhistory_meta_ttl = \"5\"",
            "naru.toml:2: channel.history_meta_ttl: it is no time: write it as \"5s\", \"1h30m\" or \"250ms\"",
        ),
        (
            "[channel]\npublication_data_format = \"xml\"",
            "naru.toml:2: channel.publication_data_format: it takes \"json\", \"json_object\" or \"binary\"",
        ),
        (
            "[[channel.namespaces]]\nname = \"a1\"\n[[channel.namespaces]]\nname = \"ns\"\nhistory_size = 5",
            "naru.toml:3: channel.namespaces[2]: history_size without history_ttl: say how long publications are kept, as history_ttl = \"1h\"",
        ),
        (
            "[broker]\nurl = \"redis://x\"\ndata = \"y\"",
            "naru.toml:1: broker: data is a folder for a broker inside, and url names one elsewhere: keep one of them",
        ),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
    assert!(told("[server]\nport = = 1").starts_with("naru.toml:2: "));
    assert!(told("[server]\n[server]\n").starts_with("naru.toml:2: "));
    assert!(
        told("[channel.without_namespace]\nchannel_regex = \"(\"")
            .starts_with("naru.toml:2: channel.without_namespace.channel_regex: it is no regular expression")
    );
}

#[test]
fn no_fault_repeats_a_value() {
    for text in [
        "[token]\nhmac_secret_key = [\"hush\"]",
        "[token]\nhmac_secret_key = { hush = 1, }",
        "[[token.keys]]\nalgorithm = \"hush\"",
        "[channel]\npublication_data_format = \"hush\"",
        "[channel]\nhistory_meta_ttl = \"hush\"",
        "[broker.set]\nrequirepass = \"hush\"",
        "[server]\nport = \"hush\"",
    ] {
        assert!(!told(text).contains("hush"), "{}", told(text));
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let port = |name: &str, value: &str| {
        read("[server]\nport = 1", "f", said(name, value)).map(|file| file.server.port)
    };
    assert_eq!(port("NARU__SERVER__PORT", "2"), Ok(Some(2)));
    assert_eq!(port("NARU_SERVER_PORT", "2"), Ok(Some(1)));
    assert_eq!(
        port("NARU__SERVER__PORT", "x"),
        Err("NARU__SERVER__PORT: server.port: it takes a whole number from 0 to 65535".into())
    );
    assert_eq!(
        port("NARU__SERVER__PROT", "2"),
        Err("NARU__SERVER__PROT: server.prot is no setting: did you mean port?".into())
    );
    assert_eq!(
        port("NARU__SEVER__PORT", "2"),
        Err("NARU__SEVER__PORT: sever is no setting: did you mean server?".into())
    );
    assert_eq!(
        port("NARU__SERVER__PORT__X", "2"),
        Err("NARU__SERVER__PORT__X: it leads into what is no table".into())
    );
    let file = read("", "", said("NARU__SERVER__ORIGINS", "https://a.example, https://b.example")).unwrap();
    assert_eq!(file.server.origins, ["https://a.example", "https://b.example"]);
    let file = read("", "", said("NARU__TOKEN__HMAC_SECRET_KEY", "12345")).unwrap();
    assert_eq!(file.token.hmac_secret_key.map(|secret| secret.expose().to_owned()).as_deref(), Some("12345"));
    let file = read("[token]\nrequire_exp = true", "", said("NARU__TOKEN__REQUIRE_EXP", "false")).unwrap();
    assert_eq!(file.token.require_exp, Some(false));
}

#[test]
fn the_example_is_good_and_has_everything() {
    let file = read(EXAMPLE, "naru.toml", std::iter::empty()).unwrap();
    assert_eq!(file.server.port, Some(8000));
    for section in SECTIONS {
        for key in keys(section) {
            let is_there = EXAMPLE.lines().any(|line| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{key} ="))
                    || line.contains(&format!("[{key}]"))
                    || line.contains(&format!("[{key}."))
                    || line.contains(&format!(".{key}]"))
            });
            assert!(is_there, "{section} {key}");
        }
    }
}

#[test]
fn the_reference_has_everything_and_nothing_else() {
    let reference = include_str!("../../../../../docs/configuration.md");
    let mut known = Vec::new();
    for section in SECTIONS {
        for key in keys(section) {
            let list = format!("`[[{key}]]`");
            let written = match section {
                "" if reference.contains(&list) => list,
                "" => format!("`[{key}]`"),
                _ => format!("`{key}`"),
            };
            assert!(reference.contains(&written), "docs/configuration.md lacks {section} {key}");
            known.push(key);
        }
    }
    for row in reference.lines().filter_map(|line| line.strip_prefix("| `")) {
        let key = row.split('`').next().unwrap();
        assert!(
            known.iter().any(|known| known == key),
            "docs/configuration.md has {key}, which is no setting"
        );
    }
}

#[test]
fn secrets_are_known_by_their_names() {
    let has_secret = |text: &str| Node::parse(text).unwrap().any(&is_secret);
    for text in [
        "[token]\nhmac_secret_key = \"x\"",
        "[[a.keys]]\nkey = \"x\"",
        "[broker]\nurl = \"redis://:x@h\"",
        "[broker.set]\nrequirepass = \"x\"",
        "[metrics]\ntoken = \"x\"",
        "[client.proxy.connect.http.static_headers]\nX-Naru = \"x\"",
        "[[proxies]]\nhttp = { static_headers = { X-Naru = \"x\" } }",
        "[rpc.proxy.http]\nsigning_secret = \"x\"",
        "[a]\nsecrets = [\"x\"]",
    ] {
        assert!(has_secret(text), "{text}");
    }
    for text in [
        "",
        "[token]\nrsa_public_key = \"x\"",
        "[broker]\nurl = \"redis://h\"\ntls_key_file = \"x\"",
        "[client.proxy.connect]\nhttp_headers = [\"Cookie\"]",
    ] {
        assert!(!has_secret(text), "{text}");
    }
}
