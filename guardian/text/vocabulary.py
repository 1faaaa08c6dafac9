"""Common English words, most frequent first: the evidence that a clean-up produced language and not noise.

Every heuristic of the obfuscation views (leetspeak, spaced letters, text written backwards, decoded bytes) asks
here before it believes itself, which is what keeps ordinary prose, code and identifiers free of extra views.

Source: whole words of the vocabulary of BERT (uncased; Apache-2.0), in its order, which is that of frequency; then
words of at least four texts of our permissive training sources that BERT lacks, and names of hazards by hand. English
only.
"""

from __future__ import annotations

import math
from functools import cache

LONGEST = 16
"""Letters in the longest word that :func:`segment` looks for."""

_UNKNOWN_LETTER_COST = 14.0
"""Cost of a letter that belongs to no word, in nats; above the rarest word's share per letter."""


@cache
def costs() -> dict[str, float]:
    """Each word with its cost in nats: the log of its rank, by Zipf's law, plus a constant for the word break."""
    return {word: math.log(rank + 2.0) + 2.0 for rank, word in enumerate(_WORDS.split())}


def word_set(words: str) -> frozenset[str]:
    """The words of a space-separated list."""
    return frozenset(words.split())


def is_word(word: str) -> bool:
    """Whether `word`, in any case, is in the list."""
    return word.lower() in costs()


def is_inflected(word: str) -> bool:
    """Whether `word` is in the list, or is a listed word of four letters or more with a regular ending."""
    known, lowered = costs(), word.lower()
    if lowered in known:
        return True
    for ending in ("s", "es", "ed", "d", "ing", "er", "ers", "ly"):
        stem = lowered.removesuffix(ending)
        if stem != lowered and len(stem) >= 4 and (stem in known or (ending == "ing" and stem + "e" in known)):
            return True
    return False


def segment(letters: str) -> list[str]:
    """Splits a run of letters without spaces into the likeliest words.

    Args:
        letters: lower-case letters, n of them.

    Returns:
        The pieces in order; joined they are `letters` again. A letter outside any word is a piece of its own.
        The cheapest split under :func:`costs`, by dynamic programming in O(n * LONGEST) steps.
    """
    known = costs()
    best = [0.0]
    back = [0]
    for end in range(1, len(letters) + 1):
        cost, start = best[end - 1] + _UNKNOWN_LETTER_COST, end - 1
        for first in range(max(0, end - LONGEST), end):
            word_cost = known.get(letters[first:end])
            if word_cost is not None and best[first] + word_cost < cost:
                cost, start = best[first] + word_cost, first
        best.append(cost)
        back.append(start)
    pieces: list[str] = []
    end = len(letters)
    while end:
        pieces.append(letters[back[end] : end])
        end = back[end]
    return pieces[::-1]


def known_share(words: list[str], shortest: int = 3) -> float:
    """Share of the letters of `words` (0 to 1) that lie in listed words of at least `shortest` letters."""
    total = sum(map(len, words))
    known = sum(len(word) for word in words if len(word) >= shortest and is_word(word))
    return known / total if total else 0.0


_WORDS = """
a i the of and in to was he is as for on with that it his by at from her she you had an were but be this are not my
they one which or have him me first all also their has up who out been when after there into new two its time would no
what about said we over then other so more can if like back them only some could where just during before do made
school through than now years most world may between down well three year while will later city under around did such
being used state people part know against your many second university both national these known off way until how even
get head team american because born united film since still long work south us became any high again day family see
right man eyes house season war states including took life north same each called name much place however go four
group another found won area here going away series left home music best make hand number company several never last
john very album take end good too following released game played little began district old want those side held own
early county league use west face think government march came small general town june line based something september
thought looked along international air july club went january october our august april york few east show member
college father public come men five set station church next former november room party located december age got system
let love though every look song water century without body black night within great women single building large
population river named band white started once should service top built british open death king moved local times
children february book why door need president order final road although due major died village third knew asked
turned wanted say together received main son served different behind himself felt members power football law voice
play near park history having saw mother army point front help english street art late hands games award young put
published country division across told often ever french london center six red led days include light find tell among
species really according central half form original gave office making enough lost full opened must included live
given german player run business woman community cup might million land court development short round seen class story
always become sure research almost director council career things using island car close force better free support
control field students education married nothing worked others record big inside level anything continued give james
military established returned feel does title written thing feet william far association hard already championship
human western department hall role various production heart living fire version television royal produced working act
case society region present radio period looking least total keep england wife program brother mind special am works
soon political george services taken created further able reached david union joined upon done important social
information either appeared position ground lead rock dark election board france hair course arms site police girl
instead real sound words moment someone summer project announced less wrote past followed blue founded finally india
taking records america design considered northern god stop battle toward european outside described track today
playing language call heard professional low australia miles california win yet green trying blood southern science
maybe everything match square mouth video race recorded leave above daughter points space museum change middle common
move post lake seven tried elected closed ten paul minister months start chief return canada person sea release
similar modern brought rest hit formed floor event doing thomas robert care killed training star week needed turn
finished rather news health sent example ran term michael coming currently yes forces despite gold areas stage fact
dead says popular originally germany probably developed result pulled friend stood money running signed word songs
child eventually met tour average teams minutes festival current deep kind decided usually eastern seemed episode bed
added table indian private charles route available idea throughout centre addition appointed style books eight
construction press mean wall friends remained schools study institute chinese sometimes events possible australian
type brown forward talk process food debut seat performance committee features character arts herself else lot strong
russian range hours peter arm morning sold quickly directed guitar china list performed media players smile myself
placed coach province towards leading whole boy official designed grand census europe attack japanese henry cross
getting alone action lower network wide washington japan hospital believe changed sister hold gone sir ship studies
academy shot rights below base bad involved kept largest bank future especially beginning mark movement section female
magazine plan professor lord longer sat walked hill actually civil energy model families size thus aircraft completed
includes data captain fight featured richard bridge fourth officer stone hear means medical groups management self
lips competition entire lived technology leaving federal tournament bit passed hot independent awards kingdom mary
spent fine reported jack fall raised itself stay true studio sports replaced paris systems saint leader theatre whose
market capital parents spanish canadian earth cut degree writing christian awarded natural higher bill coast provided
previous senior valley organization stopped onto countries parts conference queen security interest saying allowed
master earlier phone matter smith winning try happened moving campaign breath nearly certain girls date italian
african standing fell artist shows deal mine industry everyone republic provide collection library student primary
owned older heavy makes attention anyone africa stated length ended fingers command staff skin foreign opening
governor okay kill sun cover job introduced chest hell feeling success meet reason standard meeting novel trade source
buildings rose guy goal chapter native husband previously unit limited entered weeks producer operations mountain
takes covered forced related roman complete successful key texas cold channel traditional films dance clear
approximately nine prince question active tracks ireland regional silver author personal sense operation economic
holding twenty additional speed hour edition regular historic places whom movie secretary prior report chicago read
foundation view engine scored units ask airport property ready immediately lady month listed contract manager
themselves lines navy writer meant runs practice championships singer glass commission required forest starting
culture generally giving access attended test couple stand catholic martin caught executive eye thinking chair quite
shoulder hope decision plays defeated whether structure offered slowly pain ice direction paper mission mostly noted
individual managed nature lives plant helped except studied computer figure relationship issue significant loss die
gun ago highest male bring goals mexico problem distance commercial completely location annual famous drive neck
surface caused italy understand greek highway wrong hotel comes appearance joseph double issues musical companies
castle income review assembly initially parliament artists experience particular walk foot engineering talking window
dropped miss baby boys break stars edge remember policy carried train stadium bar sex angeles evidence becoming
assistant soviet upper step wing youth financial reach actor numerous arrived minute believed sorry complex beautiful
victory associated temple chance perhaps metal bishop launched particularly tree retired subject prize contains yeah
theory empire suddenly waiting trust recording happy terms camp champion religious pass zealand names port ancient
corner represented watch legal anti justice cause watched brothers material changes simply response louis fast answer
historical stories straight create feature increased rate administration virginia activities cultural overall winner
programs basketball legs guard beyond cast doctor flight results remains cost effect winter larger islands problems
chairman grew pay failed selected hurt fort box majority journal edward plans shown pretty irish characters directly
scene likely operated allow spring junior matches looks mike houses fellow beach marriage rules oil florida expected
nearby congress peace recent wait cell variety serving agreed please poor pacific attempt wood democratic piece prime
rural mile touch appears soldiers pennsylvania closer fighting claimed score jones physical editor filled specific
sitting super mom therefore supported status fear cases store meaning wales minor spain tower focus vice frank follow
separate golden horse fifth remaining branch presented uses secret forms baseball exactly choice note discovered
travel composed truth russia ball color kiss dad wind continue ring referred numbers digital greater slightly direct
increase responsible crew rule trees troops broke goes individuals hundred weight sleep memory defense provides
ordered code value jewish windows safe judge whatever realized growing cities alexander gaze lies spread scott letter
showed situation mayor transport watching workers extended expression normal chart multiple border host daily walls
piano heat cannot earned products drama authority seasons join grade sign difficult machine territory mainly stations
stepped iron serve appear sky speak broken charge knowledge removed article campus simple pushed britain leaves
recently soft boston latter easy acquired poland quality officers presence planned nations mass broadcast jean share
image influence wild offer electric reading headed ability promoted yellow ministry throat smaller politician latin
spoke cars williams males lack pop acting seeing consists estate pressure johnson newspaper chris olympics online
conditions beat elements walking vote needs carolina text featuring global block shirt levels francisco purpose
females dutch duke ahead gas twice safety serious turning highly firm maria amount mixed daniel proposed perfect
agreement affairs seconds contemporary paid prison save kitchen label administrative intended constructed academic
nice teacher races formerly corporation nation issued shut housing victoria seems opera function mentioned picked
build recognized shortly protection picture notable exchange elections loved percent racing fish elizabeth garden
volume hockey drew actress marine scotland steel farm steve risk tonight positive magic singles effects gray screen
dog residents bus sides none secondary literature polish destroyed flying founder lay reserve gallery industrial
younger approach appearances urban ones finish avenue powerful fully growth page honor jersey projects advanced
revealed basic pair equipment visit evening search grant effort solo treatment buried republican primarily bottom
owner israel gives dream remain spot notes produce champions contact soul accepted ways losing split price capacity
basis trial questions guess officially memorial naval initial engineer sydney columbia strength tears senate card
asian agent software draw warm supposed transferred candidate escape mountains asia potential activity entertainment
seem traffic jackson murder slow product haven agency taught website comedy unable storm planning albums environment
scientific protect boat typically damage principal divided dedicated mount ohio pick fought driver empty shoulders
sort thank berlin prominent account freedom necessary efforts alex headquarters follows alongside simon andrew
suggested operating learning steps sweet technical begin easily teeth speaking settlement scale enemy semi joint
compared leadership analysis offers georgia pieces captured animal deputy guest organized tony combined method
challenge huge wants rise crime types facilities telling path platform sit tells assigned rich pull commonly alive
letters concept conducted wearing happen bought becomes holy gets ocean defeat languages purchased coffee occurred
titled declared applied concert sounds jazz brain painting tax nick michigan count animals leaders episodes content
birth clubs palace critical refused fair leg laughed returning surrounding formation pointed connected rome medicine
laid taylor santa powers adam tall shared focused knowing entrance falls calling sources chosen beneath resources yard
nominated silence zone defined gained bodies moon adopted christmas widely register apart iran premier serves unknown
parties generation continues quick fields quiet teaching clothes impact weapons partner flat theater supreme relations
plants suffered wilson kids begins seats armed internet models worth laws communities classes background knows thanks
quarter reaching humans carry killing format kong hong setting architecture disease possibly wish arthur thoughts
harry doors density crowd illinois stomach tone unique reports anyway liberal vehicle thick dry drug faced largely
facility theme holds creation strange revolution bell politics turns silent relief independence combat shape write
determined sales learned finger providing heritage fiction situated designated allowing distribution hosted sight
interview estimated reduced toronto keeping guys damn claim motion sport sixth stayed receive handed dress audience
granted brazil spirit noticed olympic representative eric tight trouble reviews drink missing roles ranked newly
household finals wave critics phase pilot unlike philadelphia bright guns crown organizations roof respectively
clearly marked circle fox korea bronze brian expanded sexual supply yourself inspired labour reference vision draft
connection brand reasons classic driving trip jesus cells entry neither trail claims atlantic orders labor nose afraid
identified intelligence calls cancer attacked passing stephen positions grey jason sunday avoid extra uncle message
covers allows surprise materials fame citizens figures davis environmental confirmed shit titles performing difference
acts attacks existing votes opportunity nor shop entirely opposite pakistan develop resulted representatives actions
reality barely wine conversation faculty northwest ends documentary nuclear stock grace sets eat alternative bag
resulting creating surprised drop finding sarah streets tradition ride target ear explained rain composer injury
apartment educational occupied netherlands clean billion constitution learn maximum classical francis lose opposition
jose ontario bear core hills rolled ending drawn permanent fun lewis sites chamber ryan scoring height lyrics
officials snow oldest orange qualified interior apparently thousand dinner lights existence fans heavily greatest
conservative send bowl plus enter catch economy duty speech authorities princess performances versions shall graduate
pictures effective poetry desk crossed starts passenger sharp ass weather falling rank fund supporting check adult
publishing heads southeast lane application condition transfer prevent display regions cool relatively answered
besides obtained portion mix reaction liked dean express peak counter religion chain rare convention aid lie vehicles
mobile perform squad wonder lying crazy sword attempted centuries philosophy category anna interested sweden wolf
frequently abandoned literary alliance task entitled promotion factory tiny soccer visited matt achieved internal
methods arrested otherwise programming elementary rooms criminal conflict worry trained attempts signal bird truck
subsequent communist details faith sector patrick carrying laugh controlled korean showing origin fuel evil brief
identity darkness address pool missed publication web planet anne wings invited briefly standards ideas climate
causing walter worse albert articles winners desire aged northeast dangerous gate doubt wooden multi rising funding
communications communication violence copies prepared ford investigation skills pulling electronic containing
ultimately offices singing understanding restaurant tomorrow fashion christ ward stands flow contained exist fresh
americans approved kid employed respect suit asking increasing frame angry selling thin finds temperature statement
explain inhabitants extensive narrow jane flowers images promise somewhere object fly closely cape weekly presidential
launch founding strike institutions roll writers landing chose kevin anymore attorney fit receiving agricultural
breaking sought dave admitted lands mexican charlie specifically hole credit moscow roads accident wear struck hey
guards stuff expansion cat anthony melbourne opposed southwest architect failure plane map camera tank listen
regarding wet introduction metropolitan link grown gene anger fixed buy domestic worldwide functions examples
developing turkey hits pocket antonio papers grow unless circuit concerned attached journalist selection journey
converted provincial painted hearing bands negative aside knight lap survey noise billy shooting guide bedroom
resistance motor homes giant scenes equal comic patients hidden solid actual bringing afternoon touched funds wedding
marie turkish recognition residence broad knees incident shaped fired handle contest represent representing beauty
birds advantage emergency wrapped drawing notice pink somehow collected registered establishment alan assumed chemical
personnel retirement jeff tied device threat progress advance banks hired manchester teachers structures forever
tennis helping saturday sale applications hip incorporated neighborhood dressed ceremony influenced visual decades
inner kansas gain scheduled downtown engaged austria clock norway certainly protected victor employees plate putting
surrounded blues tropical minnesota consider philippines accept concern properties institution gordon successfully
vietnam backing outstanding muslim crossing producing usual demand occurs observed lawyer educated kelly string
pleasure budget items quietly colorado typical derived survived asks mental jake jews extremely athletic loud
thousands worried shadow transportation weapon arena importance users objects contributed dragon aware senator johnny
jordan engines flag investment shock capable clark row wheel refers session familiar biggest wins hate maintained
drove hamilton request expressed injured underground wars tunnel passes stupid agriculture softly cabinet regarded
joining indiana push dates spend behavior woods protein gently chase morgan mention burning wake combination occur
mirror leads jimmy indeed impossible singapore covering soldier locations attendance sell historian wisconsin invasion
diego changing egypt experienced inches missouri grounds spoken switzerland reform rolling forget massive burned
tennessee locked values improved wounded universe sick dating facing pack purchase user moments coal brick understood
causes establish stores crisis promote hoping views cards extension raise arizona improve formal charged lucky hide
rescue faces feelings candidates juan goods courses weekend luke cash fallen delivered affected installed carefully
tries hollywood costs lincoln responsibility shore file proper normally assistance jump constant offering friendly
waters persons realize contain partnership factor musicians cry bound oregon indicated hero houston medium consisting
somewhat cycle beer moore gotten worst weak approached arranged chin loan universal bond pattern translated lip arab
capture interests insurance warning sections courts coat plot smell feed golf favorite maintain knife voted degrees
finance opinion translation manner ruled operate choose musician discovery confused tired separated stream techniques
committed attend ranking throw passengers measure horror fan mining sand danger salt calm decade dam require runner
rush associate greece rivers matthew documents steam edited closing tie accused islamic distributed organisation bruce
breathing mad lit arrival concrete taste composition faster amateur adjacent stating tokyo obviously storage carl
pages desert driven universities ages terminal sequence creative cousin economics dreams reduce montreal mode ears
saved riding roughly threatened meters meanwhile landed compete repeated grass czech regularly charges tea sudden
appeal solution describes classification glad parking belt physics add participate damaged gift childhood mathematics
jumped letting defensive testing hundreds shoot owners matters smoke kentucky dancing emma designs profit argentina
truly lawrence cole detroit willing branches smiling decide miami enjoyed recordings poverty ethnic gay gary
accompanied fishing determine residential acid alice returns mail strategy net cook businesses equivalent commonwealth
distinct ill seriously shift harris replace imagine formula ensure additionally scheme conservation occasionally
purposes feels favor contrast hanging hunt movies instruments victims christopher busy sugar studying balance duties
belgium carter visible stages iraq forming zero continuing talked legend bathroom option tail clay afterwards severe
jaw visitors devices kate entering subjects temporary swimming forth smooth ghost audio bush operates rocks movements
signs eddie voices memories dallas pure measures racial promised harvard indicate benefit flesh dublin louisiana
patient sleeping membership coastal medieval wanting element scholars rice limit survive makeup rating definitely
collaboration obvious boss birthday linked soil offensive shell plain ross organ resolution manufacturing adding
relative marketing gardens crash heading partners credited carlos moves cable depending bottle represents rejected
responded existed jobs denmark lock treated routes talent drugs secure tests reign restored photography contributions
oklahoma designer seattle atlanta unusual laughing satellite hungary visiting interesting factors stuck speaker rifle
domain actors reputation eliminated prisoners script leather austin mississippi rapidly parallel guilty tools gender
divisions fruit laboratory fantasy marry rapid requirements aspects suicide amongst adams bone ukraine kick sees
clothing column rough gods hunting gathered concerns spending requires solar bones iowa drinking waste index charity
thompson stewart tip flash landscape friday enjoy poem listening fred differences adapted bomb surgery corporate
anywhere waves odd sean portugal orleans dick debate eating puerto cleared expect blocks electrical agree involving
depth dying panel struggle adults novels emerged shoes meets prove beating instance heaven scared sending marks
artistic passage superior significantly shopping malaysia technique maintenance destroy extreme appearing fill advice
alabama qualifying policies cleveland hat battery smart authors acted equipped coalition funny outer ambassador
possibility couples loose supplies gonna monster agents frequency dogs practices gang plastic easier suggests blade
exposed colors industries markets pan nervous charts ownership appointment shield copy assault socialist license
throne employment replacement cloud powered suffering accounts strongly colour crystal context networks jerry manage
schedule totally forests occupation print strategic engineers roots seek correct backed hop robinson traveled wayne
welcome achieve exit rates strip whereas sing deeply adventure rick jamie careful components useful personality knee
pushing hosts protest boundary processes considering tons cooper trading dear conduct illegal apple revolutionary
holiday definition harder circumstances destruction popularity classified donald flows seeking approval mechanical
till happening statue critic increasingly immediate describe commerce indonesia meat depression formally worn naked
sentence emily document criticism spiritual virgin minimum lunch danny printed false blow raising cutting pittsburgh
shadows hated indigenous scholar stick meetings attracted spell romantic photo customers keys modified jeans upset raw
detective hiding resident experiences diamond coverage external parks bible successor percussion celebrated lift
profile romania nobody achievement fault rhythm initiative breakfast carbon violent wound killer gradually filmed
dollars processing remove criticized guests chemistry disney uniform escaped integrated proposal purple denied liquid
karl influential nights intense experimental twisted pace nazi blind reporter centers burn forgotten filed collections
losses manual couch description appropriate merely tag missions replacing triple elder warriors convinced stronger
amazing versus happens output finland bare absence ignored dawn injuries luis admit expensive electricity exception
symbol ladies shower characteristics aimed button ratio effectively summit angle bears foster pants executed evans
advertising lifetime principles birmingham rob creature longest credits harbor dust territories milk infrastructure
completion thailand indians assist pitch arrangement girlfriend operational hence sad scent fur sessions refer rarely
exists scientists dirty penalty portrait seed pole limits rival stable alpha alcohol arrest flower mystery devil
architectural relationships greatly habitat larry progressive remote cotton preserved reaches cited vast scholarship
decisions joy teach searching participation gap animated fate excellent alternate suggest discussion staying jacket
revenue instrument wondering managing neil signing apply clinical aim fuck farmers figured pride evolution ordinary
involvement comfortable shouted tech encouraged taiwan representation sharing panic exact cargo competing fat borders
badly muscles transition bet permission slave terrible similarly shares possession benefits perfectly mall transit
deaths asleep machines argument parent decline contribution concentration opportunities hispanic guardian extent
emotions bloody controversy steady mistake phoenix identify departure spin enemies gear literally random grab
confusion transmission informed leaning sacred suspended thinks gates luck agencies yours expert muscle layer
practical latest statistics deeper recommended mess supports greg recovered stops eggs files keith delhi pit affair
belief paint mate victim bonus styles technologies adaptation portrayed cooperation supporters judges justin
controversial distant bite recognize intention mixing egyptian bow tourism suppose claiming tiger dominated
participants nurse partially tape psychology essential voting emotional channels apparent carrier lab discuss costa
detailed behalf drivers unfortunately obtain rocky friendship honey hang posted governments respond wildlife preferred
operator pregnant videos suspected boots instantly weird automatic businessman alleged placing throwing mood venue jet
passion biological boyfriend dirt buffalo segment abuse genre thrown stroke colored stress exercise displayed dramatic
wonderful madrid component widespread tale citizen monday vancouver overseas forcing crying descent discussed
substantial regime switch proof cream researchers volunteer allies venture principle delivery enterprise bars
traditionally witch reminded links elsewhere competitive frequent scream tension texts defending defend detail
affiliated themes periods tool ruling crimes answers licensed resort lion traded photographs writes trials generated
noble debt percentage viewed grades confidence islam retail chile hampshire innocent dual pounds checked regulations
afghanistan rico liberty assets bigger options wells attending forum monthly lisa patterns madison elite valuable
disaster democracy awareness loop absolutely paying populations sole prayer releases bull lover midnight conclusion
mediterranean proud sample guinea climb instant attributed autumn opponent root traveling secured tales sheet helps
indicates murdered gentle grandmother shocked vegas produces caribbean belong continuous desperate drunk historically
dealing bat scientist delta attempting minority mini believes chorus tend lots indoor load shots updated jail
concerning connecting wealth slaves arrive rangers sufficient flood whenever relation moral repair viewers arriving
revenge assisted bath fairly breathe lists nearest voters ties ultimate beijing lions fictional gathering comfort
radar suitable dismissed ban wrist atmosphere bid giants recovery identical categories serbia laughter therapy peoples
touching locally platforms everywhere tables outdoor spaces exclusive slight connections winds prisoner collective
publicly wealthy isolated select pen fortune ticket spotted reportedly animation enforcement decides wider lowest nod
hitting furthermore solutions pointing requested peru mask worker flames reduction volunteers reporting wire origins
pursue knock consumer compound creatures sentenced involves mechanism perspective shops maps alien heroes patent
illness characterized adventures slide hawaii jurisdiction walks biology boundaries prepare implementation stolen
certified colombia garage harm nigeria breast furniture settle cuba balls client alaska linear celebration genetic
terror lightning fee witness establishing earning rebellion wang warned missile devoted activist worship package chess
doctors treat traditions dominant amendment sized companion simultaneously increases stopping loves belongs affect
battles filming vertical romance argue craft ranging opens honest yesterday virtual muslims reveal snake immigrants
radical screaming speakers saving belonging ease lighting blame hungry grows dropping conventional microsoft reply
qualify spots immigration physician discover exposure explanation implemented initiated connect stakes presents
heights tourist regardless slip closest surely brings preparation aboard experiment ongoing organic playoffs hindu
error tier plenty arrangements talks trapped excited athens denver welfare athletes trick diverse conversion computers
abilities sensitive hello dispute measured globe rocket prices amsterdam flights tigers emotion references explains
airlines interpretation comment absolute improvement suite impressed barcelona julie regard rings interviews trace
raymond departments burns serial scores demonstrated acquisition phrase reveals cuts custom assessment difficulty
demands jennifer commons completing focuses sum substitute stretch essentially destination pairs survival resource
promoting messages tear partial framework frozen procedure controls shelter personally temperatures tested sits
comprehensive oxygen referring quarters attitude mainstream mars explosion bitch seal divine coaching examination
punishment manufacturer columns signals dining photos martial specialized taxes restricted negotiations likes
statistical inspiration execution bold significance margin intellectual dependent eligible syria earn recipient
secrets accessible breaks database ideal aspect soap regulation strings expand shorter retreat tough coins directions
pressing shipping comparison topics nephew distinction travelled clients intent describing bread youtube collapse
challenges objective submitted virus attacking assume diseases stem farming glasses visits relevant carries
restaurants experiments constantly targets opponents verse territorial corruption instruction reverse emphasis
employee keeps watson payment fastest sexy banned properly dollar boards edges comments travels liberation firmly
permitted kenya extend input meal everybody kinds bullet logic evolved healthy fool chocolate wise preserve respective
chicken artificial gross corresponding convicted dialogue narrative stranger christianity failing buddhist focusing
bike mouse revised campaigns drag excellence customer intensity excuse participating contributing printing variable
curious legacy renaissance symptoms binding grammar democrats enters diplomatic hitler clouds mathematical quit
oriented fundamental hardware impressive equally convince guilt skill reader hopes hearts automatically expecting
mysterious seeds monitor fix journalism struggling signature encounter observation protests influences calendar
naturally shakespeare basement hook theories approaches dare filling obama efficient deliver breeding efficiency axis
eagles instructions karen picking indicating trap anchor christians vary electronics readers faint innovation collect
situations engagement claude mixture peer tissue logo lean floors reducing rope ottawa samples banking declaration
proteins saudi advocate divorce reviewed temporarily matrix physically difficulties usage certificate holes
distinctive jessica mutual customs circular removal loaded mere vulnerable depicted generations lightly climbing
lessons google preparing brad renowned brilliant bills fucking server pleasant veterans fail beta brush radiation
stored warmth sin joke athlete trunk qualification artwork receives woke installation floating fake lesser excitement
interface addressed characteristic auto releasing egg dies interaction defender glory loving consciousness handling
somebody warfare amounts contracts presentation fabric challenged psychological elevated rally accurate hospitals
specialist venezuela exhibit shed fluid structural footage consistent prey reflect suspect shanghai resting
integration preservation marvel variant sheep rounded deemed variations functional emerging relaxed curse nickname
grid improvements boxes consumption societies repeatedly variation aids civic graphics professionals realm autonomous
delayed workshop trump harsh lovely happiness stake sony corners swear contents courage graphic commitment attraction
literacy cooking humanity celebrate bastard newton approaching pursuit consequences posts shallow invitation rod
concepts topic striking arrives ranges worlds span chaos praise fewer mud maintaining unity puts satisfied panama
tasks experts feeding equation engage blocked delay connects creator guided extinct hug gaining complicated poll
investigate thereby quantum humor kills encountered ignore commentary bother flowing cultures crack neighboring
airline gather marathon transformed cruise punch alarm ratings silently impression guidance tender owns advisor spare
grants encourage colleagues cameras spirits statements suspension fence torture bags permanently survivors spy bombing
protecting transformation glow feat jumping casualties pipe revealing mercy spectrum consist governing epic magical
sacrifice judgment perceived hammer tune sheets neutral oral threatening attractive aims refugees mercury syndrome
identification purse pause affiliate prevented diet sake sensation blank separation anime accommodate orbit cult
archive disorder crops threats blanket fires followers prototype assignment altered moderate protocol pistol lifting
math dimensional dynamic grateful quest uncomfortable politicians chen barrier cheese treasure bend download millions
registration consequently monitoring ate brandon invented eaten intervention ports documented log displays lecture
favourite invisible breed journalists relay speaks explore actively procedures centered chains libraries slavery facts
fairy cats cop announcement item activated curriculum loyal accomplished ritual hybrid jungle platinum seated
diversity healing administrator assured prestigious essays believing consultant proceedings travelling kit buddy
stockholm lungs severely citing steal robot celebrity pot packed reconnaissance introduce handled developments drinks
recover grain patch afford infection nationalist legendary virtually gravity exploration vital wishes screenplay
contribute pet creates discipline drops hunger layers suffer fever keyboard manages appeals testament beliefs
requiring regret rape depends tourists upcoming tense echo desired precious relatives booth citizenship exhausted
noting urge blonde sustainable galaxy chip requirement tobacco trans suggesting catching enjoying trips butterfly
nerve cherry goodbye appreciate toy interactive enabled involve determination bunch facebook recall shorts frustration
laser privately array deals painful discrimination horizon jamaica navigation behaviour genes export rivals swift
independently arguing entity casting criteria oakland geographic reflection expanding brave predominantly streams ugly
zoo horrible dictionary vector stability ignoring unexpected operators coin associates improving migration pin
reserved restore oval flags deadly symbols performer restrictions editing java arabia removing casino civilians minds
hotels rent retain potentially conducting massacre ammunition terrain fork souls counts drives cab realizing moreover
particles cardinals evaluation extraordinary wednesday maintains panels cluster sunlight strikes zhang collecting
maker buying cleaning closet clinic rat necessarily spreading checking authorized disappointed notion duration
theoretical hint define aggressive repeat wash peaceful optical width allegedly strict copyright investors witnesses
sounding privacy harmony valid diving routine enhanced intelligent substance targeted discovers observations smoking
capitol visa varied costume seemingly compensation surgeon thursday rid foods lighter portal scandal advised
instructor flooding terrorist teenage senses teen thesis eager overcome rises shame prompted priority forgot bomber
protective cartoon breeze lonely trusted relax banner candy remarkable essay trigger alert audiences pursued
indianapolis resist consequence succeed avoided profession bleeding innovative cure accounting scope gut codes luxury
prefer triangle bonds traced beings accidentally findings lawyers outcome configuration shifting toll philosophical
construct boot phenomenon solely lifestyle consideration enable fights chances atomic reactions currency steering
elaborate gifts reasonable sunshine solve trails ethics consent layout bulk cracked reads brands awful dimensions
imagination tracking workshops confident circus uncertain fog philosopher accent cycling varying specified mature rap
heated safely demanding generate caps demo mentions afterward diary utility conspiracy conscious shining loyalty
developer probability olive gym insects ourselves amazon tickets prevention witnessed dense warehouse bang elderly
investigations conflicts controlling mechanics stark bombs respected imposed deny grabbing disabled varies disk firms
incredible clue twist developers computing choices pretend dimension staged classroom honestly unlikely morocco dish
matching stumbled destroying advances cake measuring directing tuesday capabilities fraud wisdom surveillance lawsuit
healthcare trend acquire lasting swim fees decrease adoption tactics algorithm powder darker lately cigarette adds
arguments acceptance manufacture jets tampa blog inquiry hosting rays grief strategies furious euro equality poison
wireless attract istanbul rotation petition satisfaction custody deliberately comedian surfaces strictly embrace
jealous photograph continent excess allegations explaining stack avoiding storyline poorly spike proven voltage butt
interpreted lens promising casual zones silly chef suspicious pregnancy estimates cheap idiot contrary offense
geographical environments delicate abstract nails occurring equity fears sequences fusion opposing secretly ruin edit
flora anxiety ruby taxi rainbow foundations assassination dominican achievements deserve intact proclaimed console
minimal everyday terrorism openly activists cute legally concentrate glowing competitors arctic bicycle publish
predicted calculated strain deceased crush protagonist endangered estimate responsibilities backup consumed sealed
frustrated refuse terrified pump genuine imprisonment refuses learns crap crucial wrap odds snap tips sends mild
wishing assuming interactions cups wizard traces rows discussions instructed suggestion possess orientation salary
alright intimate cruel stole repairs politically underlying promotional counting naming keen bacteria listing
separately anybody cock premises freely gaming populated evident trainer framed visitor challenging pig infected email
reward ecuador forbidden accordance consumers fantastic resolved julius propaganda contacts implement crop hostile
paths adjusted habit supervision bullets wicked sunset disappear performs app incidents entries dishes introducing
destiny convert consensus shapes demonstration basically artifacts twitter smallest precise managers inclusion
payments geography react fitness recreational investments viewing aftermath withdrawal discussing reliable agreements
decreased choosing consulting cops deciding unified teenager accepting explorer inspection skilled tragedy loading
demonstrate salvador civilization wanna mechanisms mentally unclear monkey fatal governance grasp perception
certification curiosity withdraw neighbors communicate accuracy explored republicans freed update conviction gotta
promises technological myth nationality resolve dig entrepreneur capability synonym canvas rivalry potter errors
cognitive infinite ink chill eternal preventing fossil limbs pizza regulatory answering opinions lengths hypothesis
habitats yield synthesis researcher static depicting elephant mentor badge distinguish precisely advancing detection
crowded pollution commit lesson provider teammate anonymous deployment shoe complaints blacks abandon remind sizes
overwhelming risks babies proceed disorders reflecting continuously investigated blocking variables burden
consistently organizing endless juice labels thriller seoul vacation presenting hire prohibited technically suited
toys talented settings expectations achieving mandatory loser stretching realizes careers suspicion transform organize
loans dynamics proceeds commands facilitate responses expense fruits rip hay timing geometry exciting savings shy heal
worthy bury seeks bottles outfit eliminate invention stance dealer maple retire simplified hid backwards frames
whispers streaming stealing genius momentum suits placement sovereign clause sketch lets charm ultra dot citation
adopt cairo interference objectives portfolio sectors initiatives integrity exercises tap distracted valued charitable
exploring terrace reflects shelf depths tackle hatred makers detected embedded lacking rely anticipation iris
intentions logical correctly requests supernatural cow lung refusing employer harvest prints threshold gentlemen
blowing locks dressing depicts differ mob invested questioning applying weakness rehabilitation rumors subtle ought
fancy buttons liver surroundings guarantee needing pirate essence filter immune critically abortion acute screening
mythology module encounters surprising availability pie soup explosive planets exam kidnapped violation profits agenda
spelling equations obtaining linking buddhism eligibility translator lynch asset fitting beloved entities expressions
neighbor recommendations encouraging donations diagnosed divide revelation conversations fiji crimson bored legitimate
alter anxious detect janeiro unaware hopefully combine rica holocaust decent cooling dive expertise prosecution
investigating genres differently vegetables highlighted elegant dubai sunny immigrant click underwater pepper
combining accessed physicians homeless corporations patriots rational warn modes decorative overnight guidelines
organs addresses enhance linux caesar diagnosis throws complexity trafficking examine formats vault highlights phones
sandwich modeling qualities wears bra container excessive trash providers reversed void neighborhoods schemes
battlefield pad thread lesbian beg daylight acceptable measurements toxic adequate surgical parameters quantity
generating precision talents expenses colleague outlets toyota websites sentences trademark patience slim toe
incredibly organisms emissions boring chips themed chasing systematic guatemala struggles exceptions develops
intensive pinned nasty useless exceptional transactions religions bypass pursuing bug chat interact capturing toilet
purely drift transmitted gloves lid hurting optional chronic suck compatible fails wage informal sorts gateway jewelry
translations accordingly seas fiber pyramid caring android theft disputes holidays observe charming bubble scenario
scratch guru engaging specially disability puzzle honda switching mammals cope teaches securities compromise
coordination possibilities enthusiasm assassin reviewer applies verb lightweight sadness submit balanced dude
explicitly magnificent mistakes surge reporters verbal enabling spacecraft brutal complaint delicious coordinates
pretending dramatically tends distances launching instances portable angles aliens screens spark imaging swiftly
apologize butter sophisticated alignment chemicals professionally identifying gains preference linguistic unemployment
prophet radius menu laptop monetary offshore watches upgrade encyclopedia teachings confirm gambling regulated tricks
ecological inventor stays affection thoroughly feedback wrapping overtime leisure nuts surveys clever dedication meals
appreciation functioning advocacy criminals passport appreciated collaborative treating similarities import securing
celebrities helsinki attributes submission shine effectiveness strangers encoded guaranteed regards shifts collision
supervisor inform broader insight incorporates mapping flexible generous thief generic damages default lengthy rogue
indication penalties excluded unsure employers alphabet binary waking supplement quantities regain locate folks scary
whites aesthetic guides affecting drain awesome isolation ambitious apology atmospheric beef foul kidding illusion
uncertainty simulation builder spray breach determining terminated clip depend owe notorious belarus limitations
utilized synthetic breakdown practicing exotic hut hierarchy sexually blend negro transaction labeled trauma
advancement salvation inventory symbolic tones locker bangkok remarks predators rental emerge advantages storms
autonomy compliance documentation summary innocence scare employ doom wages scholarly outline breakthrough realistic
competitor icon designing washing villain micro executives logistics cycles applicable modifications disgust torch
ensuring rude peers implies ingredients complications lethal delivering motivated addressing landscapes tracked
deposit retaining compare recommendation inheritance examining cuisine retrieve tomatoes defining personalities dumb
trends premium bugs calmly inserted distress sauce teenagers drill strengthen mock enables analyst highlight axe
resembles traits incomplete warming ethical celebrating mobility automated differs cooked abundant boost escaping
charging dose advocates resemble recruit grocery jupiter hiking garbage node prone singular attractions corp ego
resistant poster domains generator outcomes shooter confrontation aligned pipeline minded purchasing passive tensions
disposal processor whale ideology saves shades freeze necessity uncommon jokes sigma licensing polite camping explicit
judged satisfy knives selective stressed minerals invite incorporate facial descriptions yoga raises organizational
airplane violations shotgun outlet tires productive judging triggered solved anatomy transparent implied injection
excluding defenses helpless devotion phenomena plug mortality convincing promptly sodium arise corrected dignity norm
pose reasoning accepts wipe overwhelmed showcase acknowledge recovering hurts reduces experiencing inevitable intel
murderer imagery hesitation memorable viral beans accidents treatments donation addiction rams passionate exceed
vikings defendant tasked implications teens barriers robots accusations declare vintage coordinate affects mirrors
incorporating rituals skip positively doubts sneak combines supervised merge corrupt scan undergo disabilities
comparing semester bucket sensor arrange ferrari discovering aiming urgent contractor negotiate posed possessions
psychiatric complement inability scanning flour safer vague solving financially expired miserable robbery resume
tallest gasoline gossip profound firearms activation algorithms catcher partnerships sexuality tragic meditation
poetic dominance attitudes intake bias wax tablet barack pharmaceutical patches speeches acquiring exams pharmacy
fulfill clicked orgasm rejection despair sensors renewable debts refusal bust assisting portrayal confirmation lazy
viewer encompasses substances patents persuade tolerance cum insufficient processed introduces liability expressing
entertaining comply helpful caution networking genocide replies specializing convenient unlocked investigator promotes
modification alternatively lacks concealed inferior tissues peculiar batch strands responding accurately targeting
checks successes observing nodes prosperity adjust directory modules inflation unnecessary coordinated pending
colorful kidney habits permits uranium punished disguise erotic float rendering behavioral nutrition immense trades
socially cube privilege approve minorities voter extensions assure privileges demonstrating investor confront brains
structured selfish mortgage destinations delays motivation recruiting assess tub debates lemon dioxide transferring
utter relate racism similarity occurrence updates obligations violated exploitation iconic notices cosmic attachment
expose authentic genetics obscure uncovered persistent countless jumps decorations laundry scripts rub packages potato
slogan arabs counterparts accomplish polls alias nationalism illustration recognizing relates reproduction bullshit
sensitivity nonsense wires medication unlimited guiding impacts diabetes extraction constraints planting quote sore
slice inadequate desires leonardo stunning enthusiastic posting humorous hiring reminder investigators packet
depressed importantly explosives packaging assignments outlined greeting slides extract blur distraction creativity
identifies emotionally notation viable workforce limiting possesses devastating disturbing locking flavor texture
servers soda denial offerings combinations incoming seller exposing vivid indirect displaying adrenaline referenced
progression announce implementing aggression cares headache dots ashamed obligation precursor cigarettes subscription
damaging prostitution recruits investigative psychologist printer replica kidnapping consuming computational granting
ideals inviting explores noticing convenience interfere deadline justified reproductive unrelated advertisement
cautiously discourse noun prevalent sustainability regulate thy definitions travelers affordable sells beneficial
repeating transfers banana lottery preserving daring overly filing infections perspectives reviewing reliability
vowels arbitrary clips profitable nude smoothly insult conclusions obstacles adverse prolonged imaginary pills
eliminating forensic desktop promotions functionality meanings execute curl oppose compassion immunity backgrounds
attracting vegetable failures employing reject innovations obey specifications worm font uneasy optimal raped worries
refined gratitude reminds steals terrorists clarity unfair adapt registry commenting behaviors crisp destructive
administrators discoveries outreach qualifications enjoys realism dump censorship logs loads phrases fascinated
recruitment forge rooted threaten suggestions constructing invest identities annoying wary oversight humble skies jar
audit cracking intentionally unprecedented leaked neural definitive stocks clues venom sentiment exchanges relieve
masks arrogant copied productivity discusses encouragement firstly thieves gases prompting weights robust sticky
wallet inappropriate distract fixing apache obsessed logging extracted meaningful numb reminding unite freelance
organism stray interpretations loops anytime reel delighted licenses exclusion homosexuality alternatives genuinely
wit numerical demographic recipients appealing unpleasant harassment predict handles thorough gum cocaine denying
consultation reflections kindness internally distribute suppress thrilled dominate angular integer podcast inherent
justify persona backyard stir methodology branding fits containers poisoning adopting conquer finances evaluate forged
instincts workplace desirable allocation encourages vocabulary marijuana landmarks critique neon warnings prescribed
superhero unfamiliar prevents cheaper wonders ambition kernel lush enforce cookies simpler evaluated suppression
fatigue proprietary secondly parameter hesitate offset converting validity supportive responds hates textbook setup
inequality signatures directive globally threads utilize respiratory thoughtful builds diagnostic visibility install
infectious conclude salad ransom incorrect morality earnings analyzed behave unrest likelihood propose browser
contributes accessories gradual quotes greenhouse convey exits digits consume gaps compass demonstrates alterations
fridge honesty enlightenment traps dealers protocols prospects recommend grounded expresses coca cheating sensory
dangers confusing relies insists posture scenarios transgender fulfilled potent migrants assistants restriction
activism considerations overthrow coding committing shocking absorb correlation exaggerated utilizing manipulation
ecosystem racist cyber wikipedia politely educate tastes thrill routing programmed guessing transparency flexibility
specializes abused admiration threatens supplier vibrant grenade counseling weigh costly cache timeline hooker
compelling stab satisfying vendors ambient bahamas motives depict manifesto accidental lively cautious sanctions
contempt deleted fascinating amidst intro newsletter encoding searches biodiversity compose pathetic calculation
deserves humour whore counselor electromagnetic satirical lure therapeutic leak portraying ghetto creators portray
disguised bacterial attacker applicants jurisdictions hides cookie buyers paperwork oceans purchases vaccine integrate
scrutiny collects oven luggage harness ignition visually fills respects nut invasive portrays sniper mystical sob
cancel prediction render detailing herbs imminent assumptions accomplishments deception prefix deepest grains tablets
clone norms complain celestial harmful buyer translate headline cooperate invading vitamin remark outlook buffer kinda
manipulate noticeable filters selecting masterpiece hazardous rag baked borrow monitored hobby akin intricate
illegally sway suspicions initiate analytical interpret accountability attackers ideological rhetoric recycling
profiles databases weed emphasize transforming analyze requesting impending explanations attribute discomfort
disciplinary recipe reliance gradient cannabis certificates graffiti repeats susceptible sincere advise prejudice
periodically contexts delivers iphone dessert welcoming exploit marketplace payload ruthless adobe apples niche
vulnerability correction psychiatrist randomly unwanted ignorance disagreement cruelty viruses landlord undisclosed
proceeding humidity hindus protects efficiently ethnicity hostility homicide trait termination insist filthy messy
satire gestures relying playful stirring skeptical preferences priorities calculate purity redemption terminology
invade blurred treats premise minors drone minimize exploited chrome instability pets reckless info kung pneumonia
fetch spouse mentioning hearted problematic dependence parental disasters rot invites inclusive retaliation
consistency contamination dire inspire apps economies python swings segregation confidential troll intervene
researched meta realms vent intrigued cocktail whereabouts bullying coherent appetite rainforest dislike severity
inspiring launches nap nausea detector sellers kindly neglect rewards ecstasy rumor vow nasal penis samsung distorted
superiority intercept crashes illustrate educators adjusting proportions pawn overview risky milestone bounds token
impacted nouns prostitute revolves preview sucks metaphor tolerate betting discretion insert crafted calculus adaptive
therapist automation recipes mythical cough genetically paste urgency headlines pornography disclosure interventions
physiological generates disgusting twitch densely reinforce homework quiz autism convinces queer passports bleed
remotely imply remedy invalid smuggling mocking hygiene drown interpreter captures discount esteem relaxing sorted
folder chaotic equals straightforward induce manifest traumatic heroin null interfaces tactic brackets willingness
injected harmless astronaut negatively justification snack coordinating covert creep transmit conceal understands
unlock admire slack classmates evolve converts karma negotiation investing modify forecast scheduling swap fuse
rigorous penetration belongings researching insights manipulated stalking ambiguous distributing violating
authorization verified balancing retention cleaner acronym suppliers fuels diversion populous unavailable traveler
congestion calculating inflammatory sabotage enhancing syntax medicines framing implying admissions analyzing secrecy
mutually programmer schedules shaping enthusiasts inconsistent terminate advocating loneliness header biotechnology
naughty removes believers endorsement dotted hints indicators exploits inputs verify compromised prescription
paragraph attire entertain nutrients ecosystems disruption robotic oppression greedy posing activate culturally garlic
culinary sums hack multinational optimization evolving emphasizes hopeless steer specify highlighting abusive
ineffective infringement refrain subjective bully sneaking aesthetics artifact password assessments martian relativity
noisy strengths connectivity tomato stimulation avenues spreads assert distortion pricing collaborate pointer
substitution communicating intimacy netflix predictions onion sarcasm storytelling fig fluids medications espionage
cinematic differentiate drastically murdering questionable opium inadvertently disagree smashing policing lucrative
manually incentives efficacy leverage drafting humiliation cosmos sleek favors vibe fantasies intentional criticizing
deploy ensures injustice teller layered robotics uploaded reflective donate disclosed assemble sensations viewpoint
cured pee flaws forums procurement predictable vendor slang twists unpredictable authenticity coughing steak speeding
baking harvesting credibility fulfilling restrict ignorant privileged peacefully doses relentless informing stabbing
comedic dynamite booking tailored demeanor fucked ingredient weaknesses compatibility riddle utilizes unacceptable
corona fines cite acknowledging cheat grenades excuses relevance interacting guise encryption supremacy hazards
outgoing emails clicking symbolism asshole tags outlines muted avatar narratives navigate stealth implements
transitions sorting gunpowder enjoyable lastly socket unlawful billionaire ascending aspiring configurations outsiders
misleading integrating poses coded repository enhancement pussy appliances enchanted inspect sarcastic attach
credentials erase irrelevant altering porn legitimacy expressive systemic dialogues discouraged kidnap rebellious
verification theoretically poisonous obedience emphasizing cheated worthless tailor descriptive startup shadowy
stereotypes downloaded shady stakeholders typing filtering citations cardiovascular feasible downloads translating
versatile empowerment blogs weaken query darkest addicted fargo falsely remorse documenting disagreements mimic
congratulations classmate sourced mustard evaluating stimulate disrupt groundbreaking speculative timely appropriately
perceptions blending accelerate hacker buys repetition analogy hash exclude misconduct precedence consult snatch
humane relaxation lambda societal cues credible tensor denies showers dietary trojan executing prohibit cater horrific
sentiments catastrophic template repetitive vegetarian fictitious unreliable embracing simulated cunning violate
dumping firearm installing accessibility calming schizophrenia unconventional scraping hacking packets hyper applicant
vinci restart intriguing mushrooms endeavor insults suspense advising introductory reinforcement stalk assign
charismatic telegram imperative authoritative drastic routines strategically storing insulting integers transcript
clauses basics adjustments zoom blaming compute improper fabricated misunderstanding bash alleviate engages plausible
azure receipt footprint leaking deviation rotate piracy malicious dependency grammatical intimidating memo spirited
duplicate antibiotics saharan clearer proxy intrusion compliant drones unauthorized avoidance simulations
accomplishment copying messaging illnesses vomiting civilizations jihad stylistic improves pasta prick nationalities
arson dashboard tricked adjective inaccurate excel distracting clarify roast blackmail illicit swearing educating
analytics afterlife unsafe reset mischief undermine thrive ipad adhere morals insider textual weave timer biased
adapting serene mammal spicy facilitating spaceship easiest logos sequential witty hypothetical homemade billing
supplements sincerely smarter announcements assassinate align confines mischievous prompt blindly scramble backlash
oneself beforehand simulator maximize factual wellness char influencing detecting existent outdated detectors skipping
pronouns disclose tesla suicidal inherently brute constructive thrilling baseline accommodations asthma judgments
listings scanner regression manipulating classify diagrams hilarious stats sync emergencies delightful smartphone
retrieval flavors evade lawful prank provocative respectful empathy stigma bribe tagged initiating logged macro
simulate overdose treacherous responsive ignores comprehension potion scala visuals await accountable avoids nutrient
cleansing notification payroll risking grading configured cozy pornographic fairness uncover scrape secluded inquiries
tracker workout triggers fraudulent unsigned isolate rightful occurrences jedi corrupted authentication narcotics
handheld uphold divert validation overcoming allergic palette showcases scans metadata arrays enforcing realising
taboo bytes coping fingerprints persuasion newfound carousel ambiguity defamation apocalyptic showcasing cipher
bribery iteration dispose timeless disregard facilitates respecting outputs ruining paranoia provoke utmost wiring
skepticism townspeople snacks spotting replicate discourage excerpt dissemination blogger hires seasoned
dissatisfaction receipts nutritional deter laundering persistence drills demographics confidently exercising flaw
handgun bot este hoax shitty protections oppressive imaginative parenting secretive confuse anomaly hacked customized
referencing subtly safeguard endeavors labeling embark vaccines juicy misunderstood futuristic intimidation morally
securely alarms toxin adventurous triggering detrimental intuitive clicks modifying adherence indices resolving
discreet leaks textures compassionate precautions fulfillment vulgar vinegar bipolar moderator strive predicting
persist infiltrate nitrate unethical chatgpt prioritize openai vulnerabilities condone malware javascript prompts
queries jailbreak phishing json legality immoral delete login passwords snippet numpy roleplay abide endorse
unfiltered const sneaky chatbot counterfeit misinformation exec cout resorting exploiting uncensored factorial
tutorial scamming dict scam responsibly encrypted persuasive args scams ethically enumerate discreetly unrestricted
concise captivating tokens derogatory amoral valueerror pandas disable discriminatory permissions reputable endl
timestamp subprocess dont override dataframe covid cybersecurity violates accessing crafting optimize hateful
informative admin immersive amplify gmail safest instruct updating delve seamlessly despicable ransomware append temp
punctuation disinformation instagram username rant adhering deceive println cyberbullying consensual rewrite
hypothetically personalized bypassing prescribe alerts paragraphs allocate validate summarize confidentiality censor
predefined unhinged inhumane keywords immerse repercussions doesnt anyways decode calculates knowledgeable escalation
biases anonymity datasets disclaimer fostering fabricate evasion upload markdown emojis anagrams disrespectful
disclaimers frameworks endorsing burp discord aligns undermines replying mindful meth prioritizes robbing actionable
offline devious invent inject launder rearrange whats lewd deceptive refine boolean constructor urllib cryptocurrency
deleting parse ramifications bribing tiktok nuanced metrics conversational advancements browsing bots manipulative
corrosive backstory cant unbiased adheres spyware indexing unsuspecting inconspicuous environ pharmacist antivirus
firewall hijack harming namespace bitcoin sentient filename hydrochloric dystopian photosynthesis encrypt incites
recursion harms believable disguises allure malevolent hitman augment blockchain profanity cloning crypto escalate
copyrighted jargon perverted wrapper attachments hurtful heist slurs contacting smuggle devise discriminate harmonious
micronesia complexities kubernetes biden nerd shutil pickpocketing headers hackers arousing provoking seamless scum
musk tweet incite diagnose formatting empathetic haha familiarize encode elon singularity tarnish embody sender
resilience invoice testimonials nefarious misuse undetected advisable disabling proactive reprehensible codebase
anonymously emoji unsolicited positivity coworker truthful ruleset tampering intimidate readable deductions
fantastical enlighten pediatrician sleight smtplib linkedin sudo optimized browse chatbots edgy unleash sensational
defaming compromising keyword formatted disguising personas tuple unplug greetings trustworthy disseminate
marketplaces getaway meticulously wont conn grounding hotwiring util spam dishonest reminders loopholes ponzi opioids
fentanyl detach caption pandemic stereotype evading debug fabricating normalize printf thats coronavirus github
hijacking glorifies bool cryptocurrencies counterfeiting esteemed docker jailbroken mitigate backdoor harass
minimizing alerting snapchat backend hotwire stealthy compile downloading respectfully walmart router deepfake
relatable specifics insecurities deviate overflow candid euphemisms async alphanumeric discounted blackmailing mislead
irresponsible understandable unhealthy unwavering workflow tricking insomnia downplay chmod raping revert harmoniously
belittle hardening stressing whatsapp wifi enigmatic reddit lowercase healthier motivations visualization motivate
reverses navigating professionalism bustling criticize preferably unintentionally empowering assholes pesky insightful
iterations paraphrase meds screenshots outlining backups escalating marginalized untrusted docs typos perpetrator
upholding moralizing meticulous reconsider quadratic notifications discredit botnet undermining complying vandalize
foolproof beginner embedding monologue wisely dialog initialize articulate sabotaging informational reiterate
disregarding dataset insecure legit redirect hobbies prioritizing evoke impersonate boundless selfie sexist coercion
gaslighting emit dependencies genders prejudices maximizing empower duplicates tranquil faking opioid configure
scammers infect pranks influencer offend strategist mindset revolutionize transformative shoplift wellbeing
functionalities intergalactic blends bleach incriminating automate powershell moderation adjectives tutorials
exclusivity ethic extortion forging leveraging asterisks consequential safeguards keylogger valuables reinforcing
interstellar motherfucker elif iterate enchanting deadlines inciting debugging nmap perpetuate falsify circumvent
sacrificing suggestive shoplifting specifying deceiving elevate extraterrestrial concealing viewpoints nuances
ibuprofen confidant encrypts enrich extremist exhaustive customize inclusivity influencers simulating defame
considerate interpersonal uppercase hopelessness rewarding verbatim overstate scanners generative fixes coerce mins
adaptability deletes mastermind vigilant brainstorm generalizations firewalls conveys breaches preventive moderators
scripting credential runtime endanger motivational recursive underage savvy remedies mitigation auth coworkers
untraceable extracting biometric anecdotes undetectable webpage worsen resonate notify specialize assertive simplify
checklist bullied categorize meme neglecting beware unverified executable tamper refund formulate allergies symptom
disclosing impactful bypasses foreach metaphors startups customization abusing joyride distractions unattended
unrealistic unfriendly antibiotic contaminate storyteller spoofing disrupting cybercrime endpoint mindfulness bigoted
impersonating config blueprint painless falsifying scalability isolating withhold invoices shutdown calculator
unproven abiding mismatch covertly preprocessing withholding checkout socioeconomic firmware hashtags memes
directories deletion overtly sandbox optimizing addictive judgmental comma defraud multiply encrypting overload
manipulates negativity impersonation lsd pros templates verifying latex plagiarism misconceptions clarification
visualize unfairly dishonesty hacks harassing snippets imperfections poisons hackerman instill stressful smear
degenerate webcam ricin cyanide screenshot cons esta spoof certifications chemically hotline unintended drawbacks
pirated shortness reuse mimicking scientifically vaccination assaulting manageable validated tumblr anorexia
readability workload invaluable inflate helper customizable unforgettable reputations molotov slut adversarial faggot
vegan embed headaches leakage disparities teamwork patching quarantine smartphones exfiltrate wording tweets plugins
deducted contagious diagnoses dynamically diabolical deploying fasting enticing catchy photoshop mesmerizing
milestones detonator detonate mdma flagged orientations overlay mimics discounts methamphetamine slur repo punishable
etiquette cultivate allergy decryption scalable artificially therapies bitches phrasing cautionary pinterest
disrespect predicts profane revolutionized auditing quotation obedient predictive downplaying browsers complies revise
inbox enhances bluetooth countermeasures scarcity positives ammonium audits pics cyberbully bans sticker submitting
intensify confrontational spamming calories vandalism summarizing encountering alibi cyberattacks detects discouraging
steroids conveying someones doxxing nudes forgery bulimia equitable bake exacerbate automates celsius ideologies
streamline redirects interconnected asians hydrated lighthearted supremacist ebay breathtaking inflict attaching
discriminates devs endpoints counteract ketamine ammo strangle embezzle paypal misused nigger spoofed hola diarrhea
sourcing fahrenheit troubleshooting simulates scammer referral deviations verbose deepen homosexuals unpatched
synthesize perpetuating brainstorming burglary nonsensical decrypt decoding texting obeys rhetorical subreddit footer
plugin atheists haiku cleverly prefixes uplifting hashtag hover multifaceted upfront compulsive expiration
hypocritical troubleshoot deceit capitalized cunt toxins swipe grammatically fulfills synonyms folders authenticate
workspace automating gays personalization cloned extremists keystrokes vaccinated buddhists morphine vagina extort
debit configuring biochemical burner retarded downright discrepancies mentorship dosage moron unknowingly nutritious
toolkit obsessive hoe anthrax sarin rootkit suppressor arsonist incest pedophile retard chlorine audacious
disadvantages playlist constructively whitespace conceive anonymized injecting hotlines adware plutonium decrypted
admins commas runny mexicans dropbox quickest markup donating molesting thermite suffocate boobs pimp traffick
napalm semtex shrapnel molest extremism
"""
