export { builtInRecipes, canonicalJson, loadRecipe, type RecipeOverrides, recipeHash } from './load.ts';
export { type NearRules, type Recipe, type RecipeInput, recipeSchema } from './recipe.ts';
export { withoutSecrets, withSecrets } from './secrets.ts';
export { GLEANER_VERSION } from './version.ts';
