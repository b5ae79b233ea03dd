import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.flow import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Quero AGENDÁR", "quero agendar"),
        ("siiiim!!!", "sim"),
        ("  oi,  tudo\nbem? ", "oi tudo bem"),
        ("ção", "cao"),
        ("👍🏽", ""),
        ("1️⃣", "1"),
        ("11 1122", "11 1122"),
        ("sa\u200bir", "sair"),
        ("ＳＡＩＲ", "sair"),
        ("foo_bar", "fo bar"),
        ("\ud800", ""),
    ],
)
def test_fold(text: str, expected: str) -> None:
    assert words.fold(text) == expected


@given(st.text())
def test_fold_never_raises_and_is_idempotent(text: str) -> None:
    assert words.fold(words.fold(text)) == words.fold(text)


@pytest.mark.parametrize("text", ["SAIR", "sair.", "Parar!", " stop ", "STOP 🛑", "Descadastrar", "saiiir"])
def test_opt_out(text: str) -> None:
    assert words.reserved(text) == "opt_out"


@pytest.mark.parametrize("text", ["apague meus dados", "Apagar meus dados!", "EXCLUIR MEUS DADOS"])
def test_erase(text: str) -> None:
    assert words.reserved(text) == "erase"


@pytest.mark.parametrize("text", ["quero sair", "sair daqui", "", "cancelar", "stop it", "x" * 10_000, "sair " * 100, "👋"])
def test_not_reserved(text: str) -> None:
    assert words.reserved(text) is None


def test_cancels_only_as_a_whole() -> None:
    assert words.cancels("Cancelar!")
    assert not words.cancels("cancelar o pedido")


@given(st.text(st.characters()))
def test_reserved_never_raises(text: str) -> None:
    words.reserved(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (text, True)
            for text in ("Sim", "siiim", "s", "ok", "pode ser", "Claro que sim"[:5], "sim, por favor", "isso mesmo", "👍", "👍🏽")
        ),
        *((text, False) for text in ("não", "NAO", "n", "não, obrigada", "agora não", "não quero", "👎")),
        *((text, None) for text in ("", "não sei", "quero saber o preço", "sim ou não", "talvez", "🎉", "carro")),
    ],
)
def test_yes_no(text: str, expected: bool | None) -> None:
    assert words.yes_no(text) is expected


def test_default_text_falls_back_to_portuguese() -> None:
    assert "ofertas" in words.default_text("opted_out", "pt-BR")
    assert "offers" in words.default_text("opted_out", "en_US")
    assert words.default_text("erasing", "de") == words.default_text("erasing", "pt")
