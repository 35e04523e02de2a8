from pathlib import Path

import polars as pl
import pytest

from engine.claims import open_claims
from grouper.fault import UserError
from tests.engine.claims.reading import read


def write(folder: Path, **tables: str) -> None:
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text.replace(" ", ""), encoding="utf-8")


def test_codes_follow_the_principal_mark_then_the_sequence(tmp_path: Path) -> None:
    write(
        tmp_path,
        claims="case_id,sex\n1,1\n2,2\n3,1\n4,2\n",
        diagnoses="""case_id,code,sequence,principal
            2,B2,2,0
            1,A3,10,0
            2,B1,3,1
            1,A1,1,0
            9,X1,1,1
            1,A2,9,
            4,,1,1
            4,D2,2,0
            4,,3,0
        """,
        procedures="case_id,code\n3,33.6x00\n3,33.5x00\n",
    )
    found = read(
        tmp_path / "claims.csv",
        needed=["sex", "diagnoses", "procedures"],
        column_map="long",
        diagnosis_table=tmp_path / "diagnoses.csv",
        procedure_table=tmp_path / "procedures.csv",
    )
    assert found.column("diagnoses") == [["A1", "A2", "A3"], ["B1", "B2"], None, [None, "D2"]]
    assert found.column("procedures") == [None, None, ["33.6x00", "33.5x00"], None]
    assert found.findings[("unmatched_code_row", "diagnoses")] == 1


def test_official_tables(tmp_path: Path) -> None:
    write(
        tmp_path,
        setlinfo="setl_id,gend,age\n001,1,70\n002,2,3\n",
        diseinfo="""setl_id,diag_type,diag_code,maindiag_flag
            001,2,BNP010,1
            001,1,I10.x00,0
            001,1,I21.000,1
            002,1,J18.900,1
        """,
        oprninfo="""setl_id,oprn_oprt_type,oprn_oprt_code
            001,2,88.5500
            001,1,36.0700
        """,
    )
    found = read(
        tmp_path / "setlinfo.csv",
        needed=["sex", "age", "diagnoses", "procedures"],
        column_map="nhsa",
        diagnosis_table=tmp_path / "diseinfo.csv",
        procedure_table=tmp_path / "oprninfo.csv",
    )
    assert found.rows == [
        {
            "case_id": "001",
            "sex": 1,
            "age": 70,
            "diagnoses": ["I21.000", "I10.x00"],
            "procedures": ["36.0700", "88.5500"],
        },
        {"case_id": "002", "sex": 2, "age": 3, "diagnoses": ["J18.900"], "procedures": None},
    ]


def test_tables_in_several_files_and_chunks(tmp_path: Path) -> None:
    cases = pl.DataFrame({"case_id": [f"c{number}" for number in range(1000)]})
    for place, part in enumerate(cases.iter_slices(300)):
        part.write_parquet(tmp_path / f"claims-{place}.parquet")
    (tmp_path / "codes").mkdir()
    codes = cases.join(pl.DataFrame({"sequence": [2, 1]}), how="cross").sample(fraction=1.0, shuffle=True, seed=1)
    codes = codes.with_columns(code=pl.col("case_id") + "." + pl.col("sequence").cast(pl.String))
    for place, part in enumerate(codes.iter_slices(700)):
        part.write_parquet(tmp_path / "codes" / f"{place}.parquet")
    inputs = sorted(tmp_path.glob("*.parquet"))
    found = read(*inputs, needed=["diagnoses"], column_map="long", diagnosis_table=tmp_path / "codes")
    expected = [(f"c{number}", [f"c{number}.1", f"c{number}.2"]) for number in range(1000)]
    assert [(row["case_id"], row["diagnoses"]) for row in found.rows] == expected


def test_the_staging_folder_goes_with_the_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spill").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spill"))
    write(tmp_path, claims="case_id\n1\n", diagnoses="case_id,code\n1,A1\n")
    claims = open_claims(
        [tmp_path / "claims.csv"], needed=["diagnoses"], column_map="long", diagnosis_table=tmp_path / "diagnoses.csv"
    )
    assert [batch.table["diagnoses"].to_pylist() for batch in claims.batches()] == [[["A1"]]]
    (folder,) = (tmp_path / "spill").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    del claims
    assert not folder.exists()


def test_missing_columns_of_a_table(tmp_path: Path) -> None:
    write(tmp_path, claims="case_id\n1\n", diagnoses="case_ids,kode\n1,A1\n")
    with pytest.raises(UserError) as caught:
        read(
            tmp_path / "claims.csv",
            needed=["diagnoses"],
            column_map="long",
            diagnosis_table=tmp_path / "diagnoses.csv",
        )
    assert caught.value.text("en").splitlines() == [
        f"{tmp_path}/diagnoses.csv: no column case_id (did you mean case_ids?)",
        f"{tmp_path}/diagnoses.csv: no column code (did you mean kode?)",
    ]


def test_a_map_without_tables(tmp_path: Path) -> None:
    write(tmp_path, claims="case_id\n1\n", diagnoses="case_id,code\n1,A1\n")
    with pytest.raises(UserError, match=r"the column map has no \[diagnoses.table\]"):
        read(
            tmp_path / "claims.csv",
            needed=["diagnoses"],
            column_map="wide",
            diagnosis_table=tmp_path / "diagnoses.csv",
        )
