"""Settings: file, environment and run config in that order; errors name the location, the key and the fix."""

import re
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import OTHER_VARIABLES, Settings
from amzseg_pipeline.storage.data_root import DataRoot, data_root_from_environment, settings_of

SOURCES = (".py", ".md")


@pytest.fixture
def data_root(tmp_path):
    return DataRoot(tmp_path)


def write(data_root, text):
    (data_root.root / "settings.toml").write_text(text, encoding="utf-8")


def test_run_config_overrides_environment_overrides_file(data_root):
    write(data_root, "k = 3\nseed = 1\ntransform = 'log'\n")
    settings = settings_of(data_root, environment={"AMZSEG_K": "4", "AMZSEG_SEED": "2"}, overrides={"seed": 3})
    assert (settings.transform, settings.k, settings.seed) == ("log", 4, 3)


def test_defaults_apply_without_file_and_variables(data_root):
    assert settings_of(data_root, environment={"HOME": "/", "AMZSEG_DATA": "x"}) == Settings()


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("kk = 3", {}, r"settings.toml: there is no setting 'kk'; did you mean 'k'"),
        ("zzz = 3", {}, "the settings are settle_seconds"),
        ("", {"AMZSEG_SEDE": "1"}, "environment: there is no setting 'sede'; did you mean 'seed'"),
        ("k = 'three'", {}, "settings.toml: k is 'three'; give an integer, 0 to 10"),
        ("k = 2.5", {}, "k is 2.5; give an integer"),
        ("k = true", {}, "k is 'True'; give an integer"),
        ("", {"AMZSEG_K": "99"}, "environment: k is '99'; give an integer, 0 to 10"),
        ("n_init = 0", {}, "n_init is 0; give an integer, at least 1"),
        ("k = 11", {}, "k is 11; give an integer, 0 to 10"),
        ("k = 1", {}, "k = 1 is not a segmentation"),
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
def test_rejects_wrong_settings_naming_location_key_and_fix(data_root, text, environment, message):
    write(data_root, text)
    with pytest.raises(SettingsError, match=message):
        settings_of(data_root, environment=environment)


def test_result_hash_covers_only_settings_that_change_the_result():
    assert Settings(threads=3, keep_snapshots=2).result_hash == Settings().result_hash
    assert Settings(seed=1).result_hash != Settings().result_hash


def test_only_the_environment_may_name_a_folder_outside_the_data_root(data_root):
    settings = settings_of(data_root, environment={"AMZSEG_TEMPORARY_FOLDER": "/elsewhere"})
    assert settings.temporary_folder == "/elsewhere"
    assert settings_of(data_root, environment={}, overrides={"temporary_folder": "a/b"}).temporary_folder == "a/b"
    with pytest.raises(SettingsError, match="run config: temporary_folder is '/elsewhere'"):
        settings_of(data_root, environment={}, overrides={"temporary_folder": "/elsewhere"})


@pytest.mark.parametrize("root", ["file:///data", "https://example.com"])
def test_rejects_addresses_of_unsupported_object_stores(root):
    with pytest.raises(SettingsError, match="other stores are not supported"):
        data_root_from_environment({"AMZSEG_DATA": root})


def test_data_root_comes_from_the_environment():
    assert str(data_root_from_environment({"AMZSEG_DATA": "/somewhere"}).landing) == "/somewhere/landing"
    assert data_root_from_environment({}).root.name == "data"


def test_every_variable_of_code_and_documentation_is_known(data_root):
    project = Path(__file__).parents[2]
    folders = ("amzseg_pipeline", "docs")
    files = [path for folder in folders for path in (project / folder).rglob("*") if path.suffix in SOURCES]
    texts = [path.read_text() for path in [*files, project / "Makefile", project / "README.md"]]
    named = {name for text in texts for name in re.findall(r"\bAMZSEG_[A-Z_]*[A-Z]\b", text)}
    known = OTHER_VARIABLES | {f"AMZSEG_{name.upper()}" for name in Settings.model_fields}
    assert named - known == set()
    assert settings_of(data_root, environment=dict.fromkeys(OTHER_VARIABLES, "x")) == Settings()
