"""The words a Brazilian bank back-office is full of: names, banks, purchases, and the ugly texts people really type."""

from __future__ import annotations

_FIRST_NAMES = """
Adriana Aline Álvaro Amanda Ana André Antônio Beatriz Bruno Caio Camila Carlos Cecília César Cláudia Conceição
Cristóvão Daniela Débora Diego Eduardo Elaine Emília Érica Fabrício Felipe Fernanda Flávia Francisco Gabriela
Gonçalo Graça Helena Heloísa Henrique Inácio Inês Isabel Ítalo Joana João Joaquim José Júlia Larissa Letícia
Lúcia Luís Luíza Márcia Marcos Maria Mário Mateus Mônica Natália Nélson Otávio Patrícia Paulo Rafael Raíssa
Renata Ricardo Roberta Rogério Rosângela Sandra Sebastião Sérgio Simão Sônia Tânia Tereza Thaís Tomás Úrsula
Vânia Vinícius Zélia
"""
FIRST_NAMES = _FIRST_NAMES.split()

_SURNAMES = """
Abreu Almeida Alves Andrade Araújo Assunção Azevedo Barbosa Barros Batista Brandão Cardoso Carvalho Conceição
Corrêa Costa Cruz Dias Falcão Farias Fernandes Ferreira Figueiredo Fonseca Freitas Galvão Gomes Gonçalves
Guimarães Leão Lima Lopes Magalhães Martins Melo Mendonça Monteiro Moraes Moura Nascimento Nóbrega Oliveira
Peixoto Pereira Pinto Queirós Ramos Ribeiro Rocha Sá Salomão Sampaio Sant'Ana Santos Silva Simões Souza
Tavares Teixeira Valadão Vasconcelos Vieira
"""
SURNAMES = _SURNAMES.split()

PARTICLES = ("de", "da", "do", "dos", "e")

# code and name as the central bank lists them; the leading zeros matter
INSTITUTIONS = (
    ("001", "Banco do Brasil"),
    ("033", "Santander"),
    ("041", "Banrisul"),
    ("070", "BRB Banco de Brasília"),
    ("077", "Banco Inter"),
    ("104", "Caixa Econômica Federal"),
    ("208", "BTG Pactual"),
    ("212", "Banco Original"),
    ("237", "Bradesco"),
    ("260", "Nu Pagamentos"),
    ("336", "C6 Bank"),
    ("341", "Itaú Unibanco"),
    ("422", "Safra"),
    ("748", "Sicredi"),
    ("756", "Sicoob"),
)

BANK_TYPES = ("BANCO", "CARTAO", "INVESTIMENTO", "CARTEIRA")

CATEGORIES = (
    "ALIMENTACAO",
    "TRANSPORTE",
    "MORADIA",
    "SAUDE",
    "EDUCACAO",
    "LAZER",
    "SALARIO",
    "IMPOSTOS",
    "TRANSFERENCIA",
    "OUTROS",
)

PURCHASES = (
    "Padaria São João",
    "PIX recebido",
    "PIX enviado",
    "Supermercado Pão de Mel",
    "Posto Ipiranga",
    "Farmácia Popular",
    "Conta de luz",
    "Boleto condomínio",
    "Salário",
    "Restaurante Sabor & Cia",
    "Uber *viagem",
    "IOF",
    "Tarifa manutenção",
    "Transferência TED",
    "Aplicação CDB",
    "Livraria Cultura",
    "Mensalidade escolar",
    "Açougue Boi d'Ouro",
    "DARF",
    "Estorno",
)

UGLY = (
    "   espaços antes e depois   ",
    "\ttabulação\t",
    "duas\nlinhas",
    "linha do Windows\r\noutra",
    "aspas \"duplas\" e 'simples'",
    "barra \\ invertida \\n que não é linha",
    "café ☕ e pão 🥖 com a família 👨‍👩‍👧‍👦",
    "bandeira 🇧🇷 R$ 1.234,56",
    "שלום עולם ‏(direita para esquerda)‎",
    "مرحبا بالعالم ‫12,50‬",
    "acento solto: cafe\u0301 e a\u0303o",
    "espaço\u00a0fixo e largura\u200bzero",
    "separador\u2028de linha",
    "'; drop table transactions; --",
    "{{ 7 * 7 }} {% raw %}",
    "${HOME} $value :cursor_id",
    "=SOMA(A1:A9)",
    "<b>negrito</b> &amp; &lt;",
    '{"json": [1, 2, null]}',
    "null",
    "0",
    "-",
    " ",
    "",
)
