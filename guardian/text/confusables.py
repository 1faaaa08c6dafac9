"""Characters that look like a Latin letter, by how much their presence says.

Sources: Unicode UTS #39 (confusables.txt) for the foreign letters, by hand for what that table leaves out. What NFKC
already maps (fullwidth, mathematical, circled, superscript letters) is not repeated here.
"""

from __future__ import annotations


def _table(rows: str) -> dict[int, str]:
    """Reads `x:abc` items: each of a, b, c looks like x."""
    return {ord(char): item[0] for item in rows.split() for char in item[2:]}


EXACT = _table(
    # Cyrillic
    "a:а c:с d:ԁ e:е h:һ i:і j:ј k:қ l:ӏ o:о p:р q:ԛ s:ѕ v:ѵ w:ԝ x:х y:уү "
    "A:А B:В C:С E:Е H:Н I:ІӀ J:Ј K:К M:М N:Ԋ O:О P:Р Q:Ԛ S:Ѕ T:Т V:Ѵ W:Ԝ X:Х Y:Ү "
    # Greek
    "a:α i:ι j:ϳ k:κ o:οσ p:ρ u:υ v:ν y:γ w:ω n:η t:τ x:χ "
    "A:Α B:Β E:Ε H:Η I:Ι K:Κ M:Μ N:Ν O:Ο P:Ρ T:Τ X:Χ Y:Υ Z:Ζ "
    # Armenian, Georgian, Coptic
    "o:օ n:ո u:ս g:ց h:հ q:զ w:ա f:ք S:Տ O:Օ U:Ս L:Լ o:ო c:ⲥ o:ⲟ p:ⲣ k:ⲕ C:Ⲥ O:Ⲟ P:Ⲣ K:Ⲕ M:Ⲙ N:Ⲛ T:Ⲧ "
    # Cherokee and Lisu
    "A:Ꭺ B:Ᏼ C:Ꮯ D:Ꭰ E:Ꭼ G:Ꮐ H:Ꮋ J:Ꭻ K:Ꮶ L:Ꮮ M:Ꮇ P:Ꮲ R:Ꭱ S:Ꮪ T:Ꭲ V:Ꮩ W:Ꮃ Y:Ꭹ Z:Ꮓ "
    "A:ꓮ B:ꓐ C:ꓚ D:ꓓ E:ꓰ F:ꓝ G:ꓖ H:ꓧ I:ꓲ J:ꓙ K:ꓗ L:ꓡ M:ꓟ N:ꓠ O:ꓳ P:ꓑ R:ꓣ S:ꓢ T:ꓔ U:ꓴ V:ꓦ W:ꓪ X:ꓫ Y:ꓬ Z:ꓜ "
)
"""Letters of other scripts that are drawn like the Latin one."""

LOOSE = _table("b:вьЬƅ k:к m:м h:н t:т r:гяЯГ n:пийПИ z:з w:шщ e:эєёε y:ўч N:ИП e:ҽ f:ғ o:ө u:ц a:д b:β m:μ")
"""Letters of other scripts that stand for a Latin one only beside others."""

STYLED = _table(
    "a:ᴀɑ b:ʙ c:ᴄ d:ᴅ e:ᴇ f:ꜰ g:ɢɡᶃ h:ʜ i:ɪɩ j:ᴊ k:ᴋ l:ʟ m:ᴍ n:ɴ o:ᴏ p:ᴘ q:ꞯ r:ʀ s:ꜱ t:ᴛ u:ᴜ v:ᴠ w:ᴡ y:ʏ z:ᴢ "
    "a:ⱥ b:ƀ c:ȼ e:ɇ g:ǥ i:ɨ j:ɉ k:ꝁ l:ƚ o:ɵꝋ p:ᵽ q:ɋ r:ɍ t:ŧⱦ u:ʉ y:ɏ z:ƶ v:ʋ w:ʍ "
    "A:🅐🅰Ⱥ B:🅑🅱Ƀ C:🅒🅲Ȼ D:🅓🅳 E:🅔🅴Ɇ F:🅕🅵 G:🅖🅶Ǥ H:🅗🅷 I:🅘🅸 J:🅙🅹Ɉ K:🅚🅺Ꝁ L:🅛🅻Ƚ M:🅜🅼 N:🅝🅽 O:🅞🅾Ꝋ P:🅟🅿Ᵽ Q:🅠🆀 "
    "R:🅡🆁Ɍ S:🅢🆂 T:🅣🆃Ŧ U:🅤🆄Ʉ V:🅥🆅 W:🅦🆆 X:🅧🆇 Y:🅨🆈Ɏ Z:🅩🆉Ƶ"
)
"""Latin letters and symbols in a style that no common spelling uses: small capitals, bars, dark circles, squares."""

SPELT = _table("d:đɗ D:Đ o:ø O:Ø l:ł L:Ł h:ħɦ H:Ħ i:ı b:ɓ k:ƙ y:ƴ p:ƥ t:ƭ n:ŋɲ")
"""Latin letters that some language spells with; a look-alike only where the text has stronger ones."""

REGIONAL = {0x1F1E6 + index: chr(ord("A") + index) for index in range(26)}
"""Regional indicators; two in a row are a flag."""

ALL = {**LOOSE, **EXACT, **STYLED, **SPELT}
"""Every table but the regional indicators."""

FLIPPED = _table(
    "a:ɐ c:ɔ e:ǝə f:ɟ g:ƃᵷ h:ɥ i:ᴉ j:ɾ k:ʞ l:ʃꞁ m:ɯ r:ɹ t:ʇ v:ʌ w:ʍ y:ʎ A:∀ C:ƆↃ E:Ǝ F:Ⅎ G:⅁ J:ſ L:⅂˥ T:┴⊥ "
    "U:∩ V:Λ Y:⅄ M:W W:M P:Ԁ R:ᴚ D:ᗡ B:ᗺ b:q q:b d:p p:d n:u u:n .:˙ ,:' ':, ?:¿ !:¡ ):( (:) ]:[ [:] }:{ {:} <:> >:< "
    "_:‾ 1:Ɩ 2:ᄅ 5:ϛ 3:Ɛ 6:9 9:6 7:ㄥ ⁅:⁆ &:⅋ 4:ㄣ"
)
"""Upside-down characters with the upright one each stands for."""

FLIPPED_PROOF = frozenset("ɐɔǝɟƃᵷɥᴉɾʞɯɹʇʌʍʎ")
"""Upside-down letters that prove the style; the others are ordinary characters as well."""
