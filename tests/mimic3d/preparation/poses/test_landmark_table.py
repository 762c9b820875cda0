import numpy as np
import pytest

from mimic3d.preparation.poses.landmark_table import read_landmarks

ROWS = ["b.png,nose,10,20.5", "a.png,nose,1,2", "a.png,eye, 3 ,4", "sub/c.png,eye,-7,8"]
HEADER = "image,name,x,y"


@pytest.fixture
def table(tmp_path):
    def write(*lines, encoding="utf-8"):
        path = tmp_path / "landmarks.csv"
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


def test_landmarks_are_found_by_image_and_name(table):
    found = read_landmarks(table(HEADER, *ROWS))
    assert found.images == ("a.png", "b.png", "sub/c.png")
    assert found.names == ("eye", "nose")
    assert found.positions[found.places["b.png"], 1].tolist() == [10, 20.5]
    assert found.positions[found.places["sub/c.png"], 0].tolist() == [-7, 8]
    assert found.weights.tolist() == [[1, 1], [0, 1], [1, 0]]


def test_the_order_of_rows_and_columns_does_not_matter(table):
    one = read_landmarks(table(HEADER, *ROWS))
    other = read_landmarks(table(HEADER, *reversed(ROWS)))
    swapped = (",".join(np.array(row.split(","))[[3, 1, 0, 2]]) for row in ROWS)
    third = read_landmarks(table("y,name,image,x", *swapped))
    for found in (other, third):
        assert (found.images, found.names) == (one.images, one.names)
        assert (found.positions == one.positions).all()
        assert (found.weights == one.weights).all()


def test_weights_blank_lines_and_a_byte_order_mark_are_read(table):
    path = table(f"{HEADER},weight", "a,eye,1,2,0.5", "", '"a, b",eye,1,2,0', encoding="utf-8-sig")
    found = read_landmarks(path)
    assert found.images == ("a", "a, b")
    assert found.weights.tolist() == [[0.5], [0]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [HEADER, *ROWS, "d,nose,1,abc", "e,eye,1,"],
            r"line 6: y must be a number .*'abc' .*2 of 6",
        ),
        ([HEADER, "a,nose,nan,1"], "line 2: x must be a number of pixels, is 'nan'"),
        ([HEADER, "a,nose,1,inf"], "line 2: y must be a number of pixels, is 'inf'"),
        ([HEADER, "a,nose,1,1", "", ",nose,1,2"], "line 4: image must be the name of an image"),
        ([HEADER, "a,,1,1"], "line 2: name must be the name of a landmark"),
        ([HEADER, "a,nose,1,1", "a,nose,2,2"], r"line 3: a landmark must be there once .* 'nose'"),
        ([f"{HEADER},weight", "a,nose,1,1,2"], "line 2: weight must be a number from 0 to 1"),
        ([f"{HEADER},weight", "a,nose,1,1,"], "line 2: weight must be a number from 0 to 1"),
        (
            [HEADER, "a,nose,1,1", "a,nose,1"],
            "line 3: must have 4 columns as the first line, has 3",
        ),
        ([HEADER, "a,nose,1,1,1"], "line 2: must have 4 columns as the first line, has 5"),
        (["image;name;x;y", "a;nose;1;1"], r"other columns than 'image;name;x;y'; its first line"),
        (["image,name,x,y,x", "a,nose,1,1,1"], r"other columns than 'image,name,x,y,x'"),
        ([HEADER], "must have at least one landmark, has none"),
        ([], r"other columns than ''; its first line is image,name,x,y or"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_rule(table, lines, message):
    with pytest.raises(ValueError, match=rf"landmarks\.csv .*{message}"):
        read_landmarks(table(*lines))


def test_what_is_no_table_is_refused(tmp_path):
    path = tmp_path / "landmarks.csv"
    with pytest.raises(ValueError, match="there is no such file; its first line is image,name"):
        read_landmarks(path)
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(ValueError, match="must be a table of landmarks: 'utf-8' codec"):
        read_landmarks(path)


def test_landmarks_are_arranged_as_a_template_has_them(table):
    found = read_landmarks(table(HEADER, *ROWS))
    arranged = found.arrange(("nose", "eye"))
    assert arranged.names == ("nose", "eye")
    assert (arranged.positions == found.positions[:, ::-1]).all()
    assert (arranged.weights == found.weights[:, ::-1]).all()
    with pytest.raises(ValueError, match="every point of the template, tail is nowhere in it; the"):
        found.arrange(("nose", "eye", "tail"))
    with pytest.raises(ValueError, match="no other landmarks than the template, has eye; remove"):
        found.arrange(("nose",))
    chosen = found.select(["sub/c.png", "a.png"])
    assert chosen.images == ("sub/c.png", "a.png")
    assert (chosen.positions == found.positions[[2, 0]]).all()
