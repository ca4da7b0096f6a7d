"""Settings: file, environment and run config in that order; everything unknown or out of range is refused in words."""

import pytest

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot, data_root_from_environment, settings_of


@pytest.fixture
def data_root(tmp_path):
    return DataRoot(tmp_path)


def write(data_root, text):
    (data_root.root / "settings.toml").write_text(text, encoding="utf-8")


def test_the_environment_is_above_the_file_and_the_run_config_above_both(data_root):
    write(data_root, "k = 3\nseed = 1\ntransform = 'log'\n")
    settings = settings_of(data_root, environment={"AMZSEG_K": "4", "AMZSEG_SEED": "2"}, overrides={"seed": 3})
    assert (settings.transform, settings.k, settings.seed) == ("log", 4, 3)


def test_without_file_and_variables_there_are_the_defaults(data_root):
    assert settings_of(data_root, environment={"HOME": "/", "AMZSEG_DATA": "x"}) == Settings()


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("kk = 3", {}, r"settings.toml: there is no setting 'kk'; did you mean 'k'"),
        ("zzz = 3", {}, "the settings are settle_seconds"),
        ("", {"AMZSEG_SEDE": "1"}, "environment: there is no setting 'sede'; did you mean 'seed'"),
        ("k = 'three'", {}, "setting 'k' is 'three'; give a whole number"),
        ("k = 2.5", {}, "give a whole number"),
        ("k = true", {}, "give a whole number"),
        ("k = 11", {}, "k is 11; give 0 to 10"),
        ("k = 1", {}, "k = 1 is no segmentation"),
        ("k_min = 5\nk_max = 4", {}, "k_min = 5 is above k_max = 4"),
        ("transform = 'sqrt'", {}, "give one of none, log"),
        ("max_rejected_share = nan", {}, "max_rejected_share is nan"),
        ("k = ", {}, r"settings.toml: this is not TOML"),
        (
            "temporary_folder = '/elsewhere'",
            {},
            "leads outside the data root; .* set AMZSEG_TEMPORARY_FOLDER where the",
        ),
        ("temporary_folder = '../elsewhere'", {}, "leads outside the data root"),
        ("temporary_folder = 'a/../../elsewhere'", {}, "leads outside the data root"),
        ("temporary_folder = 's3://bucket/a'", {}, "give a folder of this machine"),
        ('temporary_folder = "a\\u0000b"', {}, "give a folder of this machine"),
        ("", {"AMZSEG_TEMPORARY_FOLDER": "s3://bucket"}, "environment: .* give a folder of this machine"),
    ],
)
def test_what_is_no_setting_is_refused_naming_place_key_and_fix(data_root, text, environment, words):
    write(data_root, text)
    with pytest.raises(SettingsError, match=words):
        settings_of(data_root, environment=environment)


def test_the_result_hash_follows_the_settings_that_change_the_result_and_no_others():
    assert Settings(threads=3, keep_snapshots=2).result_hash == Settings().result_hash
    assert Settings(seed=1).result_hash != Settings().result_hash


def test_whoever_starts_a_process_may_name_any_folder_and_whoever_starts_a_run_may_not(data_root):
    settings = settings_of(data_root, environment={"AMZSEG_TEMPORARY_FOLDER": "/elsewhere"})
    assert settings.temporary_folder == "/elsewhere"
    assert settings_of(data_root, environment={}, overrides={"temporary_folder": "a/b"}).temporary_folder == "a/b"
    with pytest.raises(SettingsError, match="run config: temporary_folder is '/elsewhere'"):
        settings_of(data_root, environment={}, overrides={"temporary_folder": "/elsewhere"})


@pytest.mark.parametrize("root", ["file:///data", "https://example.com"])
def test_an_address_of_no_store_is_no_home(root):
    with pytest.raises(SettingsError, match="there are no other stores"):
        data_root_from_environment({"AMZSEG_DATA": root})


def test_home_is_where_the_variable_says():
    assert str(data_root_from_environment({"AMZSEG_DATA": "/somewhere"}).landing) == "/somewhere/landing"
    assert data_root_from_environment({}).root.name == "data"
