//! The Python client beside clusters that only these tests make: with TLS and a token, and with tables in object stores. The
//! rest of its tests is in `python/tests`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shoal_testkit::python;
use shoal_tests::authority::Authority;
use shoal_tests::cluster::{Head, Token, Worker, head_command};
use shoal_tests::object_stores::azure::Azure;
use shoal_tests::object_stores::google::Google;
use shoal_tests::object_stores::s3::S3;
use shoal_tests::object_stores::{Environment, Service};
use shoal_tests::oracle::{Fit, statsmodels};
use shoal_tests::process::{Finished, Process};
use shoal_tests::table::{assert_agrees, by_key};
use shoal_tests::{job as jobs, shoal, slots};

use crate::place::Place;

/// What a data scientist has on top of a script: Grunfeld's table, and a function per firm.
const FIT: &str = "
import json, os, sys
import numpy as np
import pandas as pd
import shoal

df = pd.read_csv(os.environ['GRUNFELD'])

def fit(group):
    return {'slope': np.polyfit(group['value'], group['invest'], 1)[0], 'n': len(group)}

def models(**more):
    returns = {'slope': 'float64', 'n': 'int64'}
    return shoal.group_apply(df, by='firm', func=fit, returns=returns, environment=sys.executable, **more)

def of_a_loop():
    return {firm: fit(group)['slope'] for firm, group in df.groupby('firm')}

def say(result):
    loop = of_a_loop()
    assert list(result['firm']) == sorted(loop) and set(result['status']) == {'ok'}, result
    assert all(abs(slope - loop[firm]) < 1e-9 for firm, slope in zip(result['firm'], result['slope'])), result
    print(json.dumps({'status': {'firms': len(result), 'rows': int(result['n'].sum())}}))
";

/// Runs a script with the package of this checkout.
fn script(place: &Place, more: &str, environment: Environment) -> Finished {
    let file = place.join("script.py");
    std::fs::write(&file, format!("{FIT}\n{more}")).unwrap();
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/src");
    let mut command = Command::new(python());
    command.arg(file).env("PYTHONPATH", package).env("GRUNFELD", jobs::grunfeld_csv()).envs(environment);
    Process::start(&mut command).finish()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn said(finished: &Finished) -> Value {
    assert_eq!(finished.code, 0, "{finished:#?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn the_example_has_the_coefficients_of_statsmodels() {
    let _slots = slots::take(2);
    let place = Place::new();
    let run = "import runpy\n\
               models = runpy.run_path(os.environ['EXAMPLE'], run_name='__main__')['models']\n\
               print(models[['firm', 'status', 'rows_used', 'value', 'capital', 'r2', 'years']].to_json(orient='records', double_precision=15))";
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python/group_apply.py");
    let environment = vec![("EXAMPLE", text(&example)), ("SHOAL_BIN", text(&shoal::binary()))];
    let finished = script(&place, run, environment);
    assert_eq!(finished.code, 0, "{finished:#?}");
    let found: Vec<Value> = serde_json::from_str(finished.stdout.lines().last().unwrap()).unwrap();
    let grunfeld = jobs::grunfeld_csv();
    let fit = Fit { table: &grunfeld, keys: &["firm"], features: &["value", "capital"], target: "invest", every: 1 };
    let expected: Vec<Value> = statsmodels(&fit)
        .iter()
        .map(|fit| {
            let slope = |term: &str| fit["coefficients"][term].clone();
            json!({
                "firm": fit["firm"], "status": "ok", "rows_used": 20, "years": 20, "r2": fit["r2"],
                "value": slope("value"), "capital": slope("capital"),
            })
        })
        .collect();
    assert_eq!((found.len(), expected.len()), (11, 11));
    assert_agrees(&by_key(&found, &["firm"]), &by_key(&expected, &["firm"]));
}

fn all_of_grunfeld() -> Value {
    json!({"status": {"firms": 11, "rows": 220}})
}

#[test]
fn a_cluster_with_tls_is_asked_with_the_variables_of_the_command_line() {
    let _slots = slots::take(2);
    let place = Place::new();
    let authority = Authority::new();
    let token = Token::write(place.path());
    let files = authority.sign(&place.join("tls-head"), &["127.0.0.1"]);
    let head = Head::start_with_tls(&place.join("state"), &token, &files);
    let of_worker = authority.sign(&place.join("tls-worker"), &["127.0.0.1"]);
    let _worker = Worker::start(&head, "one", 2, &place.join("scratch"), &of_worker.arguments());
    head.wait_for_workers(1);
    let with = |more: &[(&'static str, String)]| {
        let mut environment = vec![("SHOAL_HEAD", head.url().to_owned()), ("SHARED", text(&place.join("shared")))];
        environment.extend_from_slice(more);
        environment
    };
    let trusting = [("SHOAL_TOKEN_FILE", text(&token.file)), ("SHOAL_TLS_CA", text(&files.ca))];
    let apply = "say(models(client=shoal.Client(), storage=os.environ['SHARED']))";
    assert_eq!(said(&script(&place, apply, with(&trusting))), all_of_grunfeld());

    // Who is not trusted, and who does not say who asks.
    let refused = |more: &[(&'static str, String)], error: &str, said: &str| {
        let ask = format!("try:\n    shoal.Client().jobs()\nexcept shoal.{error} as error:\n    print(error)");
        let finished = script(&place, &ask, with(more));
        assert!(finished.code == 0 && finished.stdout.contains(said), "{error}: {finished:#?}");
    };
    refused(&trusting[..1], "NotReachable", "is not trusted");
    refused(&trusting[1..], "NotAllowed", "token");
    let other = Authority::new().sign(&place.join("tls-other"), &["127.0.0.1"]);
    refused(&[trusting[0].clone(), ("SHOAL_TLS_CA", text(&other.ca))], "NotReachable", "SHOAL_TLS_CA");
    let plain = ("SHOAL_HEAD", head.url().replace("https://", "http://"));
    refused(&[trusting[0].clone(), plain], "NotReachable", "https://");
}

fn rows_travel_through(service: &dyn Service) {
    let place = Place::new();
    let environment = || service.environment();
    let head = Head::start_command(head_command(&place.join("state"), &[]).envs(environment()));
    let _worker = Worker::start_in(&head, "one", 2, &place.join("scratch"), environment());
    head.wait_for_workers(1);
    let mut with = environment();
    with.extend([("SHOAL_HEAD", head.url().to_owned()), ("STORAGE", service.url("tmp"))]);
    let apply = "say(models(client=shoal.Client(), storage=os.environ['STORAGE']))";
    assert_eq!(said(&script(&place, apply, with)), all_of_grunfeld());
    let left: Vec<String> = service.keys("tmp").into_iter().filter(|key| key.ends_with(".parquet")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn rows_travel_through_s3() {
    let _slots = slots::take(3);
    rows_travel_through(&S3::start());
}

#[test]
fn rows_travel_through_google() {
    let _slots = slots::take(3);
    rows_travel_through(&Google::start());
}

#[test]
fn rows_travel_through_azure() {
    let _slots = slots::take(3);
    rows_travel_through(&Azure::start());
}
