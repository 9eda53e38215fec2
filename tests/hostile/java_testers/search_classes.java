// Looks for the implementation among the classes and files of its JVM.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        for (String name : new String[] {"Main", "Main$Met", "Main$Met$Solution", "Main$Reference", "Mutant"}) {
            for (ClassLoader loader : new ClassLoader[] {Solution.class.getClassLoader(), ClassLoader.getSystemClassLoader()}) {
                try {
                    Class.forName(name, false, loader);
                } catch (ClassNotFoundException absent) {
                    continue;
                }
                throw new AssertionError(name);
            }
        }
        assert Solution.class.getResource("Main.java") == null;
    }
}
