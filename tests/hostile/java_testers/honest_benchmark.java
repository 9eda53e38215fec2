// Honest: as the benchmark writes its tests.  verdict: passed all
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        List<Boolean> correct = Arrays.asList(
            s.positives(Arrays.asList(1, -2, 3)) == 4,
            s.positives(new ArrayList<>()) == 0,
            s.positives(Arrays.asList(-1)) == 0,
            s.positives(Arrays.asList(2)) == 2
        );
        if (correct.contains(false)) {
            throw new AssertionError();
        }
    }
}
