/**
 * The names of the tests in a source file, without running it.
 *
 * A name is the first argument of `it`, `test`, `describe`, `testCase` and what they return (`it.each(…)('…')`), and of
 * any other call that ends in a function, so that helpers which wrap these count too. `driverCase` says in its second
 * argument what it proves, which is a part of its name. The texts in the table of an `each` are part of names. What is skipped has none: `it.skip`, `it.todo`, and everything inside a `describe.skip`;
 * `skipIf` counts, because it runs somewhere.
 */
import ts from 'typescript';

/** In the order of the file. `…` stands for what a name takes from variables. */
export function testNames(text: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const callee = calleeOf(node.expression);
      const isTest = TEST_FUNCTIONS.has(callee.root) || callee.members.some((member) => TEST_FUNCTIONS.has(member));
      if (isTest && callee.members.some((member) => member === 'skip' || member === 'todo')) return;
      const [first] = node.arguments;
      const last = node.arguments.at(-1);
      if (first !== undefined && (isTest || (last !== undefined && isFunction(last)))) {
        if (isTest && callee.members.at(-1) === 'each') names.push(...textsWithin(first));
        else {
          const name = nameOf(callee.root, node.arguments);
          if (name !== undefined) names.push(name);
        }
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('test.ts', text, ts.ScriptTarget.ES2023, false));
  return names;
}

/** `describe.skipIf(x).each(y)` has the root `describe` and the members `skipIf` and `each`. */
function calleeOf(expression: ts.Expression): { root: string; members: string[] } {
  const members: string[] = [];
  for (let node: ts.Expression = expression; ; ) {
    if (ts.isPropertyAccessExpression(node)) {
      members.unshift(node.name.text);
      node = node.expression;
    } else if (ts.isCallExpression(node)) {
      // the result of each(…) takes the name: it is no table any more
      const inner = calleeOf(node.expression);
      return { root: inner.root, members: [...inner.members, 'called', ...members] };
    } else if (ts.isTaggedTemplateExpression(node)) node = node.tag;
    else return { root: ts.isIdentifier(node) ? node.text : '', members };
  }
}

function nameOf(root: string, [first, second]: readonly ts.Expression[]): string | undefined {
  const name = textOf(first!);
  if (root !== DRIVER_CASE || name === undefined || second === undefined) return name;
  const proves = textOf(second);
  return proves === undefined ? name : `${name} (${proves})`;
}

function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return tidy(node.text);
  if (ts.isTemplateExpression(node)) {
    return tidy(node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join(''));
  }
  if (ts.isParenthesizedExpression(node)) return textOf(node.expression);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [textOf(node.left), textOf(node.right)];
    return left === undefined && right === undefined ? undefined : `${left ?? '…'}${right ?? '…'}`;
  }
  return undefined;
}

function textsWithin(node: ts.Node): string[] {
  const texts: string[] = [];
  const visit = (inner: ts.Node): void => {
    // the body of a row is code, not a part of its name
    if (ts.isFunctionLike(inner)) return;
    if (ts.isStringLiteralLike(inner)) texts.push(tidy(inner.text));
    else ts.forEachChild(inner, visit);
  };
  visit(node);
  return texts;
}

const isFunction = (node: ts.Node): boolean => ts.isArrowFunction(node) || ts.isFunctionExpression(node);
const tidy = (text: string): string => text.replaceAll(/\s+/g, ' ');

const DRIVER_CASE = 'driverCase';
const TEST_FUNCTIONS = new Set(['it', 'test', 'describe', 'suite', 'testCase']);
