"""Everyday words that name no picture, for asking whether what was never learned is refused.

Verbs, adverbs, abstract nouns and phrases of numbers and time, written for this project. `OTHER_WORDS` are of languages
that packs have captions in; `UNKNOWN_LANGUAGES` have none there. A word that a pack or bundle does know is dropped when
it is to be said (`edge_s2i.evaluation.unknown_words`). No training set may hold these words: they are the test.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(" ".join(word.split()) for word in text.split(","))


# ruff: noqa: RUF001 -- Cyrillic letters look like Latin ones
OTHER_WORDS: dict[str, tuple[str, ...]] = {
    "en": _words(
        """although, remember, tomorrow, usually, believe, carefully, freedom, twenty-seven, perhaps, understand,
        forgive, quickly, opinion, half past nine, nevertheless, explain, borrow, seldom, honesty,
        four hundred and two, yesterday, complain, decide, slowly, justice, thank you very much, because, pretend,
        however, advice, improve, already, patience, a quarter to six, sometimes, deserve, ignore, gently, reason,
        nineteen eighty, without, belong, hesitate, enough, knowledge, see you later, therefore, suggest, allow,
        hardly, behaviour, next thursday, against, convince, whisper, almost, courage, good evening, between, succeed,
        apologise, probably, memory, three thousand"""
    ),
    "fr": _words(
        """pourtant, se souvenir, demain, d'habitude, croire, doucement, liberté, vingt-sept, peut-être, comprendre,
        pardonner, rapidement, une opinion, neuf heures et demie, néanmoins, expliquer, emprunter, rarement, honnêteté,
        quatre cent deux, hier, se plaindre, décider, lentement, la justice, merci beaucoup, parce que, faire semblant,
        cependant, un conseil, améliorer, déjà, la patience, six heures moins le quart, parfois, mériter, ignorer,
        presque, la raison, mille neuf cent, sans doute, appartenir, hésiter, assez, le savoir, à tout à l'heure,
        par conséquent, proposer, permettre, à peine, le comportement, jeudi prochain, malgré tout, convaincre,
        chuchoter, longtemps, le courage, bonsoir, entre nous, réussir, s'excuser, probablement, la mémoire,
        trois mille"""
    ),
    "es": _words(
        """aunque, recordar, mañana por la tarde, normalmente, creer, despacio, libertad, veintisiete, quizás,
        entender, perdonar, rápidamente, una opinión, las nueve y media, sin embargo, explicar, pedir prestado,
        raramente, honestidad, cuatrocientos dos, anteayer, quejarse, decidir, lentamente, la justicia, muchas gracias,
        porque, fingir, además, un consejo, mejorar, todavía no, la paciencia, las seis menos cuarto, a veces, merecer,
        ignorar, casi siempre, la razón, mil novecientos, sin duda, pertenecer, dudar, bastante, el conocimiento,
        hasta luego, por lo tanto, sugerir, permitir, apenas, el comportamiento, el próximo jueves, a pesar de todo,
        convencer, susurrar, mucho tiempo, la valentía, buenas noches, entre nosotros, conseguir, disculparse,
        probablemente, la memoria, tres mil"""
    ),
    "de": _words(
        """obwohl, sich erinnern, übermorgen, normalerweise, glauben, vorsichtig, Freiheit, siebenundzwanzig,
        vielleicht, verstehen, verzeihen, schnell, eine Meinung, halb zehn, trotzdem, erklären, ausleihen, selten,
        Ehrlichkeit, vierhundertzwei, gestern, sich beschweren, entscheiden, langsam, Gerechtigkeit, vielen Dank, weil,
        so tun als ob, allerdings, ein Ratschlag, verbessern, schon wieder, Geduld, Viertel vor sechs, manchmal,
        verdienen, ignorieren, beinahe, der Grund, neunzehnhundert, ohne Zweifel, gehören, zögern, genug, Wissen,
        bis später, deshalb, vorschlagen, erlauben, kaum, das Verhalten, nächsten Donnerstag, dagegen, überzeugen,
        flüstern, lange her, der Mut, guten Abend, zwischen uns, gelingen, sich entschuldigen, wahrscheinlich,
        das Gedächtnis, dreitausend"""
    ),
    "it": _words(
        """sebbene, ricordare, dopodomani, di solito, credere, con attenzione, libertà, ventisette, forse, capire,
        perdonare, velocemente, un'opinione, le nove e mezza, tuttavia, spiegare, prendere in prestito, raramente,
        onestà, quattrocentodue, ieri sera, lamentarsi, decidere, lentamente, la giustizia, grazie mille, perché,
        fingere, comunque, un consiglio, migliorare, già fatto, la pazienza, le sei meno un quarto, qualche volta,
        meritare, ignorare, quasi sempre, la ragione, millenovecento, senza dubbio, appartenere, esitare, abbastanza,
        la conoscenza, a più tardi, quindi, suggerire, permettere, appena, il comportamento, giovedì prossimo,
        nonostante tutto, convincere, sussurrare, molto tempo, il coraggio, buonasera, tra di noi, riuscire, scusarsi,
        probabilmente, la memoria, tremila"""
    ),
    "ru": _words(
        """хотя, вспоминать, послезавтра, обычно, верить, осторожно, свобода, двадцать семь, может быть, понимать,
        прощать, быстро, мнение, половина десятого, тем не менее, объяснять, одолжить, редко, честность, четыреста два,
        вчера, жаловаться, решать, медленно, справедливость, большое спасибо, потому что, притворяться, однако, совет,
        улучшать, уже давно, терпение, без четверти шесть, иногда, заслуживать, пренебрегать, почти всегда, причина,
        тысяча девятьсот, без сомнения, принадлежать, сомневаться, достаточно, знание, увидимся позже, поэтому,
        предлагать, разрешать, едва ли, поведение, в следующий четверг, несмотря ни на что, убеждать, шептать,
        долгое время, смелость, добрый вечер, между нами, добиваться, извиняться, вероятно, память, три тысячи"""
    ),
}
"""Language -> words and phrases as they are written."""

UNKNOWN_LANGUAGES: dict[str, tuple[str, ...]] = {
    "fi": _words(
        """vaikka, muistaa, ylihuomenna, tavallisesti, uskoa, varovasti, vapaus, kaksikymmentäseitsemän, ehkä,
        ymmärtää, antaa anteeksi, nopeasti, mielipide, puoli kymmenen, silti, selittää, lainata, harvoin, rehellisyys,
        neljäsataakaksi, eilen, valittaa, päättää, hitaasti, oikeudenmukaisuus, kiitos paljon, koska, teeskennellä,
        kuitenkin, neuvo, parantaa, jo taas, kärsivällisyys, varttia vaille kuusi, joskus, ansaita, melkein, syy,
        epäröidä, hyvää iltaa"""
    ),
    "tr": _words(
        """rağmen, hatırlamak, öbür gün, genellikle, inanmak, dikkatle, özgürlük, yirmi yedi, belki, anlamak, affetmek,
        çabucak, düşünce, dokuz buçuk, yine de, açıklamak, ödünç almak, nadiren, dürüstlük, dört yüz iki, dün akşam,
        şikâyet etmek, karar vermek, yavaşça, adalet, çok teşekkür ederim, çünkü, gibi yapmak, ancak, öğüt,
        geliştirmek, zaten, sabır, altıya çeyrek var, bazen, hak etmek, neredeyse, sebep, tereddüt etmek,
        iyi akşamlar"""
    ),
    "sw": _words(
        """ingawa, kukumbuka, kesho kutwa, kwa kawaida, kuamini, kwa uangalifu, uhuru, ishirini na saba, labda,
        kuelewa, kusamehe, haraka, maoni, saa tatu na nusu, hata hivyo, kueleza, kuazima, mara chache, uaminifu,
        mia nne na mbili, jana jioni, kulalamika, kuamua, polepole, haki, asante sana, kwa sababu, kujifanya, lakini,
        ushauri, kuboresha, tayari, uvumilivu, saa kumi na mbili, wakati mwingine, kustahili, karibu kabisa,
        sababu yake, kusita, habari za jioni"""
    ),
    "hu": _words(
        """habár, emlékezni, holnapután, általában, elhinni, óvatosan, szabadság, huszonhét, talán, megérteni,
        megbocsátani, gyorsan, vélemény, fél tíz, mégis, megmagyarázni, kölcsönkérni, ritkán, őszinteség,
        négyszázkettő, tegnap este, panaszkodni, eldönteni, lassan, igazságosság, köszönöm szépen, mert, úgy tenni,
        azonban, tanács, javítani, már megint, türelem, háromnegyed hat, néha, megérdemelni, majdnem, az oka, habozni,
        jó estét"""
    ),
    "vi": _words(
        """mặc dù, ghi nhớ, ngày kia, thông thường, tin tưởng, cẩn thận, tự do, hai mươi bảy, có lẽ, thấu hiểu,
        tha thứ, nhanh chóng, ý kiến, chín giờ rưỡi, dù sao, giải thích, vay mượn, hiếm khi, trung thực,
        bốn trăm lẻ hai, hôm qua, phàn nàn, quyết định, chậm rãi, công bằng, cảm ơn rất nhiều, bởi vì, giả vờ,
        tuy nhiên, lời khuyên, cải thiện, đã rồi, kiên nhẫn, sáu giờ kém mười lăm, đôi khi, xứng đáng, gần như, lý do,
        do dự, chúc buổi tối vui vẻ"""
    ),
}
"""Language -> words and phrases as they are written; for bundles and packs that do not know the language."""
